import type { Endpoint } from '../address.js';
import type { BackendConfig } from '../config/schema.js';

/** A backend as it can be connected to, from an entry of the service's `backends`. */
export interface Discovered {
  /** Unique in the service: the entry's id, `id@address` for further addresses of a name, `target:port` from SRV. */
  readonly id: string;
  readonly endpoint: Endpoint;
  readonly weight: number;
  readonly backup: boolean;
  readonly max_connections: number;
  readonly disabled: boolean;
  /** The entry it came from. */
  readonly entry: BackendConfig;
}

/** What an entry stands for at the moment: an endpoint before it has a place and an id in the service's list. */
export interface Found {
  /** The id it gets when that is free. */
  readonly base: string;
  readonly endpoint: Endpoint;
  /** Weight relative to the others from the same entry; multiplied by the entry's own. */
  readonly weight: number;
  /** True for SRV targets of another than the most preferred priority. */
  readonly backup: boolean;
}
