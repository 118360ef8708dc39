import { Worker } from 'node:worker_threads';
import { close as closeFd, openWake, wake } from '../engines/epoll/libc.js';
import { type ErrorCode, Lb4Error } from '../errors.js';
import type { Answer, Message, Numbered, Request, ThreadInit } from './messages.js';

interface Waiting {
  resolve(answer: Answer): void;
  reject(error: Error): void;
}

/** What a thread says without being asked. */
export type News = Exclude<Message, { type: 'ready' | 'reply' | 'failed' }>;

export interface ThreadHooks {
  onNews(news: News): void;
  /** It has ended, whatever the cause. Everything that it was still asked is rejected by then. */
  onExit(thread: Thread, failure: Error): void;
}

/** One data-plane thread as the control plane sees it: questions and answers, and what wakes it. */
export class Thread {
  readonly index: number;
  gone = false;
  /** It was told to end. */
  ended = false;
  /** It has prepared a plan and waits to be told to commit it. */
  prepared = false;
  private readonly worker: Worker;
  private readonly wakeFd: number;
  private readonly waiting = new Map<number, Waiting>();
  private nextId = 0;

  private constructor(init: Omit<ThreadInit, 'wakeFd'>) {
    this.index = init.index;
    this.wakeFd = openWake();
    const workerData: ThreadInit = { ...init, wakeFd: this.wakeFd };
    this.worker = new Worker(new URL('./worker.js', import.meta.url), {
      workerData,
      name: `lb4-${init.index}`,
    });
  }

  /** Resolves when it is ready to be asked; rejects with why it ended before. */
  static start(init: Omit<ThreadInit, 'wakeFd'>, hooks: ThreadHooks): Promise<Thread> {
    const thread = new Thread(init);
    const { worker } = thread;
    return new Promise((resolve, reject) => {
      let failure = new Error('the thread ended by itself');
      worker.on('error', error => {
        failure = error as Error;
      });
      worker.on('exit', () => {
        thread.exited(failure);
        reject(failure);
        hooks.onExit(thread, failure);
      });
      worker.on('message', (message: Message) => {
        if (message.type === 'ready') resolve(thread);
        else if (message.type === 'reply' || message.type === 'failed') thread.answered(message);
        else hooks.onNews(message);
      });
    });
  }

  /** Rejects with Lb4Error, or when the thread ends first. */
  ask(request: Request): Promise<Answer> {
    if (this.gone) return Promise.reject(new Error('the thread has ended'));
    const id = this.nextId++;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      const message: Numbered = { ...request, id };
      this.worker.postMessage(message);
      // The thread sits in epoll_wait and looks at its messages only when it is woken.
      wake(this.wakeFd);
    });
  }

  async terminate(): Promise<void> {
    await this.worker.terminate();
  }

  private answered(message: Extract<Message, { type: 'reply' | 'failed' }>): void {
    const asked = this.waiting.get(message.id);
    this.waiting.delete(message.id);
    if (message.type === 'reply') {
      asked?.resolve(message.answer);
    } else {
      const { code, message: text } = message;
      asked?.reject(code === '' ? new Error(text) : new Lb4Error(code as ErrorCode, text));
    }
  }

  private exited(failure: Error): void {
    this.gone = true;
    closeFd(this.wakeFd);
    for (const { reject } of this.waiting.values()) reject(failure);
    this.waiting.clear();
  }
}
