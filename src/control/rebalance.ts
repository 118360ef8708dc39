/** A backend as far as its load matters. */
export interface Load {
  readonly slot: number;
  readonly active: number;
  /** Its share of the load relative to the others'; 0 = it should have none. */
  readonly weight: number;
  /** The most connections that it may have; Infinity where nothing limits it. */
  readonly room: number;
}

/**
 * How many connections each backend has more than it should, so that the load is level by weight: the fewest closed
 * connections that get there, if each client comes back to where there is least. By slot; those with none are left out.
 * Nothing is to be closed that would have nowhere to go.
 */
export function excess(loads: readonly Load[]): Map<number, number> {
  const goals = targets(loads);
  const over = new Map<number, number>();
  let places = 0;
  for (const [i, { slot, active }] of loads.entries()) {
    if (active > goals[i]!) over.set(slot, active - goals[i]!);
    else places += goals[i]! - active;
  }
  // Where limits leave less room than there are connections, some have to stay too many.
  for (const [slot, count] of over) {
    const closed = Math.min(count, places);
    places -= closed;
    if (closed > 0) over.set(slot, closed);
    else over.delete(slot);
  }
  return over;
}

/** `count` connections to close next: of each backend in proportion to what it has too many, the most first. By slot. */
export function nextToClose(over: ReadonlyMap<number, number>, count: number): Map<number, number> {
  const total = sum([...over.values()]);
  const chosen = new Map<number, number>();
  let left = count;
  for (const [slot, many] of [...over].sort(([, a], [, b]) => b - a)) {
    const share = Math.min(left, many, Math.ceil((count * many) / total));
    if (share > 0) chosen.set(slot, share);
    left -= share;
  }
  return chosen;
}

/** How many connections each should have: whole numbers as near to its share as can be, and within its room. */
function targets(loads: readonly Load[]): number[] {
  const shares = fill(loads);
  const goals = shares.map(share => Math.floor(share + ROUNDING));
  const total = Math.min(sum(loads.map(({ active }) => active)), sum(shares) + ROUNDING);
  let rest = Math.floor(total - sum(goals) + ROUNDING);
  // What is left goes to who has it already, for then it need not move; then to whose share is cut the most.
  const order = loads
    .map((load, i) => ({ i, holds: load.active > goals[i]!, cut: shares[i]! - goals[i]! }))
    .filter(({ cut }) => cut > ROUNDING)
    .sort((a, b) => Number(b.holds) - Number(a.holds) || b.cut - a.cut);
  for (const { i } of order) {
    if (rest-- <= 0) break;
    goals[i]!++;
  }
  return goals;
}

/** Sums of fractions are not exact. */
const ROUNDING = 1e-6;

/** Everybody's share of all connections by weight; what exceeds a backend's room is divided among the others. */
function fill(loads: readonly Load[]): number[] {
  const shares = loads.map(() => 0);
  let open = loads.map((_, i) => i).filter(i => loads[i]!.weight > 0);
  let left = sum(loads.map(({ active }) => active));
  while (open.length > 0) {
    const weights = sum(open.map(i => loads[i]!.weight));
    const full = open.filter(i => (left * loads[i]!.weight) / weights >= loads[i]!.room);
    if (full.length === 0) {
      for (const i of open) shares[i] = (left * loads[i]!.weight) / weights;
      break;
    }
    for (const i of full) {
      shares[i] = loads[i]!.room;
      left -= loads[i]!.room;
    }
    open = open.filter(i => !full.includes(i));
  }
  return shares;
}

function sum(list: readonly number[]): number {
  return list.reduce((total, one) => total + one, 0);
}
