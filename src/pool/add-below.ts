/**
 * Add one to a shared number unless it is `limit` or more; false when it is. Never goes above the limit, not even for a
 * moment, so that nobody is refused because somebody else is being refused.
 */
export function addBelow(numbers: Int32Array, at: number, limit: number): boolean {
  for (let seen = Atomics.load(numbers, at); seen < limit; ) {
    const before = Atomics.compareExchange(numbers, at, seen, seen + 1);
    if (before === seen) return true;
    seen = before;
  }
  return false;
}
