import type { StateName } from '../pool/table.js';

/** What happens to an instance beside its traffic. */
export type Happening =
  /** What people see as a backend's state is another one. `reason` in words. */
  | {
      readonly type: 'state';
      readonly service: string;
      readonly backend: string;
      readonly from: StateName;
      readonly to: StateName;
      readonly reason: string;
      /** True when it went down, and that was not to be expected. */
      readonly alarming: boolean;
    }
  | {
      readonly type: 'weight';
      readonly service: string;
      readonly backend: string;
      readonly from: number;
      readonly to: number;
      readonly reason: string;
    }
  /** A service that is being served has one backend more. */
  | {
      readonly type: 'backend_added';
      readonly service: string;
      readonly backend: string;
      readonly address: string;
    }
  /** A backend is no longer in the list; `active` connections are left to drain. */
  | {
      readonly type: 'backend_removed';
      readonly service: string;
      readonly backend: string;
      readonly address: string;
      readonly active: number;
      readonly reason: string;
    }
  /** So few backends are healthy that health is ignored; or (`on` false) enough are again. */
  | { readonly type: 'panic'; readonly service: string; readonly on: boolean }
  /** Several servers say that they are the primary: who, and who of them gets connections. */
  | {
      readonly type: 'split_brain';
      readonly service: string;
      readonly primaries: readonly string[];
      readonly kept: readonly string[];
    }
  /** There are no longer several primaries. */
  | { readonly type: 'split_brain_over'; readonly service: string }
  /** A name cannot be looked up (once for each outage; the last good answer stands), or can be again. */
  | {
      readonly type: 'lookup_failed';
      readonly service: string;
      readonly name: string;
      readonly reason: string;
    }
  | { readonly type: 'lookup_recovered'; readonly service: string; readonly name: string }
  /** A configuration was taken; `kept` connections and flows were open through it. */
  | { readonly type: 'reloaded'; readonly changes: readonly string[]; readonly kept: number }
  /** A configuration was refused: nothing was changed. */
  | { readonly type: 'reload_refused'; readonly errors: readonly string[] }
  /** Another process is to take over: what is done now. */
  | { readonly type: 'upgrade_step'; readonly step: string; readonly detail: string }
  /** It did not take over: everything is as it was. */
  | { readonly type: 'upgrade_refused'; readonly errors: readonly string[] }
  /** This process has taken over from one of version `from`, with so many connections and flows, which stood still for `freeze_ms`. */
  | {
      readonly type: 'upgraded';
      readonly from: string;
      readonly version: string;
      readonly pid: number;
      readonly connections: number;
      readonly flows: number;
      readonly freeze_ms: number | null;
      readonly lost: readonly string[];
    }
  /** A data-plane thread died and is replaced; its `connections` are lost. */
  | {
      readonly type: 'thread_lost';
      readonly thread: number;
      readonly connections: number;
      readonly reason: string;
    }
  /** Nothing new is accepted any more; `active` connections and flows may finish. */
  | { readonly type: 'draining'; readonly active: number };

/** A happening with its place in the order of events. `id` counts from 1; `at` is the time of day (ISO 8601, UTC). */
export type BalancerEvent = Happening & { readonly id: number; readonly at: string };
export type EventListener = (event: BalancerEvent) => void;

/** Events that are kept for those who were away for a moment. */
export const HISTORY = 256;

export interface EventsState {
  /** The number of the last one. */
  readonly last: number;
  readonly history: readonly BalancerEvent[];
}

/** Tells those who want to know what happens. Listeners are called at once, in the order they came; they must be quick. */
export class EventHub {
  private readonly listeners = new Set<EventListener>();
  private readonly history: BalancerEvent[] = [];
  private readonly onFault: (error: unknown) => void;
  private last = 0;
  /** What happens while events are held. */
  private held: Happening[] | undefined;

  /** `onFault` hears of a listener that throws; the others and whoever emits do not. */
  constructor(onFault: (error: unknown) => void) {
    this.onFault = onFault;
  }

  /** Tell nobody of anything until `release`. */
  hold(): void {
    this.held ??= [];
  }

  /** Tell what has happened meanwhile, and go on. */
  release(): void {
    const { held = [] } = this;
    this.held = undefined;
    for (const happening of held) this.emit(happening);
  }

  /** The events that are kept, for another process. */
  get state(): EventsState {
    return { last: this.last, history: [...this.history] };
  }

  /** Go on where another process has left off. */
  restore({ last, history }: EventsState): void {
    this.last = last;
    this.history.splice(0, this.history.length, ...history);
  }

  emit(happening: Happening): void {
    if (this.held !== undefined) {
      this.held.push(happening);
      return;
    }
    const event: BalancerEvent = { id: ++this.last, at: new Date().toISOString(), ...happening };
    this.history.push(event);
    if (this.history.length > HISTORY) this.history.shift();
    for (const listener of this.listeners) {
      try {
        listener(event);
      } catch (error) {
        this.onFault(error);
      }
    }
  }

  /** Returns what ends the subscription. */
  subscribe(listener: EventListener): () => void {
    // A function of its own: the same listener may subscribe twice.
    const own: EventListener = event => listener(event);
    this.listeners.add(own);
    return () => void this.listeners.delete(own);
  }

  /** What happened after the event `id`, as far as it is kept. */
  after(id: number): readonly BalancerEvent[] {
    return this.history.filter(event => event.id > id);
  }
}
