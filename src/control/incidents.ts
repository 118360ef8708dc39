import type { EventHub } from './events.js';

export type IncidentsState = Pick<
  Incidents,
  'reloads' | 'reloadsRefused' | 'threadsLost' | 'connectionsLost'
>;

/** Counts of what concerns the whole process, since the start. */
export class Incidents {
  reloads = 0;
  reloadsRefused = 0;
  threadsLost = 0;
  /** Connections and flows that were lost with their thread; they have no log line and no close reason. */
  connectionsLost = 0;

  get state(): IncidentsState {
    const { reloads, reloadsRefused, threadsLost, connectionsLost } = this;
    return { reloads, reloadsRefused, threadsLost, connectionsLost };
  }

  /** Count on from what another process has counted. */
  restore({ reloads, reloadsRefused, threadsLost, connectionsLost }: IncidentsState): void {
    this.reloads = reloads;
    this.reloadsRefused = reloadsRefused;
    this.threadsLost = threadsLost;
    this.connectionsLost = connectionsLost;
  }

  constructor(events: EventHub) {
    events.subscribe(event => {
      if (event.type === 'reloaded') this.reloads++;
      else if (event.type === 'reload_refused') this.reloadsRefused++;
      else if (event.type === 'thread_lost') {
        this.threadsLost++;
        this.connectionsLost += event.connections;
      }
    });
  }
}
