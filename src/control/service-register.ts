import { didYouMean, quote } from '../config/text.js';
import { Lb4Error } from '../errors.js';
import { SlotAllocator } from '../pool/slots.js';
import type { SharedTable } from '../pool/table.js';
import { Departed } from './departed.js';
import { measureServices, type ServiceMeasures } from './measure.js';
import type { ServiceControl } from './service.js';

/** Which services there are: those of the configuration, those that are gone from it but have connections, and what others left behind. */
export class ServiceRegister {
  readonly table: SharedTable;
  readonly slots: SlotAllocator;
  /** Those of the configuration, by name. */
  current: ReadonlyMap<string, ServiceControl> = new Map();
  /** Gone from the configuration, but with connections. */
  readonly retired = new Set<ServiceControl>();
  readonly departed = new Departed();

  constructor(table: SharedTable) {
    this.table = table;
    this.slots = new SlotAllocator(table);
  }

  /** Those of the configuration. */
  get list(): readonly ServiceControl[] {
    return [...this.current.values()];
  }

  /** These and those that are gone from it. */
  get everyone(): readonly ServiceControl[] {
    return [...this.current.values(), ...this.retired];
  }

  /** Gone from the configuration, but the data plane has them. */
  get leaving(): readonly ServiceControl[] {
    return [...this.retired].filter(({ served }) => served);
  }

  /** The service of this name. Throws Lb4Error LB4_NOT_FOUND. */
  find(name: string): ServiceControl {
    const service = this.current.get(name);
    if (service !== undefined) return service;
    const hint = didYouMean(name, [...this.current.keys()]);
    throw new Lb4Error('LB4_NOT_FOUND', `no service ${quote(name)}${hint}`);
  }

  /** It is gone from the configuration. */
  retire(service: ServiceControl): void {
    service.retire();
    this.retired.add(service);
  }

  /** It was to be in a configuration that came to nothing. */
  discard(service: ServiceControl): void {
    service.discard();
    this.retired.add(service);
  }

  /** Forget who has left and whose last connection is over. */
  sweep(): void {
    for (const { backends } of this.everyone) backends.sweep();
    for (const service of this.retired) {
      if (!service.gone) continue;
      const { name } = service.config;
      this.retired.delete(service);
      if (this.current.has(name)) this.departed.add(name, '', this.table.tally(service.slot));
      else this.departed.forget(name);
      this.slots.free(service.slot);
    }
  }

  /** Everything that is counted of the services, those on their way out included. */
  measure(): ServiceMeasures[] {
    return measureServices([...this.list, ...this.leaving], this.departed, this.table);
  }
}
