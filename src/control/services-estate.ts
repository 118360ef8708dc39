import type { SlotsState } from '../pool/slots.js';
import { PROCESS_SLOT, type SlotState } from '../pool/table.js';
import { copyTotals, readTotals, type TotalsCopy } from '../pool/totals.js';
import type { ServiceControl, ServiceOutline, ServiceState } from './service.js';
import type { ServiceRegister } from './service-register.js';

/** What another process needs to go on with the services. */
export interface ServicesOutline {
  readonly slots: SlotsState;
  readonly services: readonly ServiceOutline[];
  /** Gone from the configuration, but with connections. */
  readonly retired: readonly ServiceOutline[];
}

/** What is counted and remembered in the table. */
export interface ServicesNumbers {
  readonly slots: readonly SlotState[];
  readonly totals: TotalsCopy;
  /** What was counted of those who are gone: service and backend, and their totals in the same order. */
  readonly departed: readonly (readonly [service: string, id: string])[];
  readonly departedTotals: TotalsCopy;
}

/** Everything that is known about the services, as of now. */
export interface ServicesEstate {
  readonly services: readonly ServiceState[];
  readonly numbers: ServicesNumbers;
}

/** What another process needs to have the same services. Call it while they are held. */
export function outlineServices({ slots, list, retired }: ServiceRegister): ServicesOutline {
  return {
    slots: slots.state,
    services: list.map(({ outline }) => outline),
    retired: [...retired].map(({ outline }) => outline),
  };
}

export function readServices(register: ServiceRegister): ServicesEstate {
  return { services: register.everyone.map(({ state }) => state), numbers: readNumbers(register) };
}

/** Bring services that were restored from the outline to what they are in the other process; as often as wanted before `resumeServices`. */
export function writeServices({ services, numbers }: ServicesEstate, register: ServiceRegister): void {
  const { table, departed } = register;
  for (const slot of numbers.slots) table.writeSlot(slot);
  for (const [slot, tally] of readTotals(numbers.totals)) table.writeTally(slot, tally);
  const tallies = readTotals(numbers.departedTotals);
  departed.clear();
  for (const [i, [service, id]] of numbers.departed.entries()) departed.add(service, id, tallies.get(i)!);
  for (const [service, state] of pairs(services, register)) service.catchUp(state);
  table.bump();
}

/** Look after all of them from now on. */
export function resumeServices(states: readonly ServiceState[], register: ServiceRegister): void {
  for (const [service, state] of pairs(states, register))
    service.resume(state, register.retired.has(service));
}

function readNumbers({ table, everyone, departed }: ServiceRegister): ServicesNumbers {
  const backends = everyone.flatMap(service => service.backends.everyone);
  const slots = [PROCESS_SLOT, ...[...everyone, ...backends].map(({ slot }) => slot)];
  const left = [...departed.entries()];
  return {
    slots: slots.map(slot => table.readSlot(slot)),
    totals: copyTotals(new Map(slots.map(slot => [slot, table.tally(slot)]))),
    departed: left.map(([service, id]) => [service, id]),
    departedTotals: copyTotals(new Map(left.map(([, , tally], i) => [i, tally]))),
  };
}

/** Services with what another process knew of them. */
function* pairs(
  states: readonly ServiceState[],
  { everyone }: ServiceRegister,
): Iterable<readonly [ServiceControl, ServiceState]> {
  const bySlot = new Map(states.map(state => [state.slot, state]));
  for (const service of everyone) {
    const one = bySlot.get(service.slot);
    if (one !== undefined) yield [service, one];
  }
}
