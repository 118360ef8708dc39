import type { Config } from '../config/schema.js';
import type { EventHub, EventsState } from './events.js';
import type { Incidents, IncidentsState } from './incidents.js';
import type { ServiceSet } from './services.js';
import { readServices, type ServicesEstate, type ServicesOutline, writeServices } from './services-estate.js';
import type { Shedder, ShedState } from './shedder.js';

/** What a process that takes over from another needs before it can serve the same: no numbers, nothing that changes by itself. */
export interface Outline {
  readonly config: Config;
  readonly services: ServicesOutline;
}

/** Everything that the control plane knows, as plain data (structuredClone), at the moment at which another takes over. */
export interface Estate extends ServicesEstate {
  readonly events: EventsState;
  readonly incidents: IncidentsState;
  readonly shedding: readonly ShedState[];
}

/** Where an estate comes from, and where it goes. */
export interface Holders {
  readonly services: ServiceSet;
  readonly events: EventHub;
  readonly incidents: Incidents;
  readonly shedder: Shedder;
}

/** What there is now. Call it while the services are held: then services, backends and slots are those of the outline. */
export function readEstate({ services, events, incidents, shedder }: Holders): Estate {
  return {
    ...readServices(services.register),
    events: events.state,
    incidents: incidents.state,
    shedding: shedder.state,
  };
}

/** Have what another process had. Nothing begins yet. */
export function writeEstate(estate: Estate, { services, events, incidents }: Holders): void {
  writeServices(estate, services.register);
  events.restore(estate.events);
  incidents.restore(estate.incidents);
}
