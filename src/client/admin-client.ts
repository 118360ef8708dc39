import type { ReloadReport, UpgradeReport } from '../admin/app.js';
import type { Removed } from '../control/operations.js';
import type { BackendSnapshot, Connections, ServiceSnapshot, Snapshot } from '../control/snapshot.js';
import { Lb4Error } from '../errors.js';
import type { AdminState } from '../pool/backend.js';
import { readEvents, type StreamedEvent } from './event-stream.js';
import { type AdminAddress, addressText, Requester, type RequesterOptions } from './request.js';

export interface BackendChange {
  readonly state?: AdminState;
  readonly weight?: number;
}

export interface NewBackend {
  readonly address: string;
  readonly name?: string;
  readonly weight?: number;
  readonly backup?: boolean;
  readonly max_connections?: number;
}

/** What was added. */
export interface Added {
  readonly id: string;
  /** What it stands for: several for a name, none while that is not known. */
  readonly backends: readonly BackendSnapshot[];
}

/** The admin interface of a running instance, typed. Every method rejects as Requester.ask does. */
export class AdminClient {
  private readonly requester: Requester;

  constructor(at: AdminAddress, options?: RequesterOptions) {
    this.requester = new Requester(at, options);
  }

  /** Where it asks, safe to print. */
  get address(): string {
    return addressText(this.requester.at);
  }

  async status(): Promise<Snapshot> {
    return (await this.statusText()).status;
  }

  /** The answer to GET /status, and its text as it came. */
  async statusText(): Promise<{ readonly status: Snapshot; readonly text: string }> {
    const { json, body } = await this.requester.ask('GET', '/status');
    if (!isStatus(json)) {
      throw new Lb4Error('LB4_ADMIN', `${this.address} does not answer like lb4 (no services in /status)`);
    }
    return { status: json, text: body };
  }

  change(service: string, backend: string, change: BackendChange): Promise<BackendSnapshot> {
    return this.json('PATCH', backendPath(service, backend), change);
  }

  add(service: string, backend: NewBackend): Promise<Added> {
    return this.json('POST', `${servicePath(service)}/backends`, backend);
  }

  remove(service: string, backend: string): Promise<Removed> {
    return this.json('DELETE', backendPath(service, backend));
  }

  /** `limit`: at most so many in the list; the instance has a limit of its own. */
  connections(service: string, query: { backend?: string; limit?: number } = {}): Promise<Connections> {
    const words = new URLSearchParams();
    for (const [key, value] of Object.entries(query)) if (value !== undefined) words.set(key, String(value));
    const text = words.toString();
    return this.json('GET', `${servicePath(service)}/connections${text === '' ? '' : `?${text}`}`);
  }

  /** Close its connections at `rate` (`5/s`). Resolves to how many that will be. */
  async close(service: string, backend: string, rate?: string): Promise<number> {
    return (await this.json<{ closing: number }>('POST', `${backendPath(service, backend)}/close`, { rate }))
      .closing;
  }

  /** Close as many connections as level the load, at `rate`. Resolves to how many that will be. */
  async rebalance(service: string, rate?: string): Promise<number> {
    return (await this.json<{ closing: number }>('POST', `${servicePath(service)}/rebalance`, { rate }))
      .closing;
  }

  reload(): Promise<ReloadReport> {
    return this.json('POST', '/reload', {});
  }

  /** Have another process take over. Resolves to what that did, and the text of the answer as it came. */
  async upgrade(order: {
    readonly program?: string;
    readonly timeout?: string;
  }): Promise<{ readonly report: UpgradeReport; readonly text: string }> {
    const { json, body } = await this.requester.ask('POST', '/upgrade', order);
    return { report: json as UpgradeReport, text: body };
  }

  /** Hear of events from now on; resolves to what ends that. */
  events(onEvent: (event: StreamedEvent) => void): Promise<() => void> {
    return readEvents(this.requester.at, this.requester.token, onEvent);
  }

  /** Drop the connection. */
  end(): void {
    this.requester.close();
  }

  private async json<T>(method: string, path: string, body?: unknown): Promise<T> {
    return (await this.requester.ask(method, path, body)).json as T;
  }
}

function servicePath(service: string): string {
  return `/services/${encodeURIComponent(service)}`;
}

function backendPath(service: string, backend: string): string {
  return `${servicePath(service)}/backends/${encodeURIComponent(backend)}`;
}

/** Enough to tell an instance, of this version or another, from anything else. */
function isStatus(json: unknown): json is Snapshot {
  const { name, services } = (json ?? {}) as Partial<Snapshot>;
  return typeof name === 'string' && Array.isArray(services) && services.every(isService);
}

function isService(json: unknown): boolean {
  const { name, backends } = (json ?? {}) as Partial<ServiceSnapshot>;
  return typeof name === 'string' && Array.isArray(backends) && backends.every(isBackend);
}

function isBackend(json: unknown): boolean {
  const { id, state } = (json ?? {}) as Partial<BackendSnapshot>;
  return typeof id === 'string' && typeof state === 'string';
}
