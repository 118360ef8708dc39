/**
 * Keeps the first `limit` of all items that are offered, in an order: a bounded heap with the last of those kept on top,
 * so that n items cost O(n log limit) and no array of n is made.
 */
export class Selection<T> {
  private readonly limit: number;
  /** Negative when `a` comes before `b`. */
  private readonly compare: (a: T, b: T) => number;
  private readonly heap: T[] = [];

  constructor(limit: number, compare: (a: T, b: T) => number) {
    this.limit = limit;
    this.compare = compare;
  }

  offer(item: T): void {
    const { heap, limit, compare } = this;
    if (heap.length < limit) {
      heap.push(item);
      this.rise(heap.length - 1);
    } else if (limit > 0 && compare(item, heap[0]!) < 0) {
      heap[0] = item;
      this.sink();
    }
  }

  /** Those kept, in order. */
  sorted(): T[] {
    return this.heap.sort(this.compare);
  }

  private rise(at: number): void {
    const { heap, compare } = this;
    for (let i = at; i > 0; ) {
      const parent = (i - 1) >> 1;
      if (compare(heap[i]!, heap[parent]!) <= 0) return;
      this.swap(i, parent);
      i = parent;
    }
  }

  private sink(): void {
    const { heap, compare } = this;
    for (let i = 0; ; ) {
      const left = 2 * i + 1;
      const right = left + 1;
      let last = i;
      if (left < heap.length && compare(heap[left]!, heap[last]!) > 0) last = left;
      if (right < heap.length && compare(heap[right]!, heap[last]!) > 0) last = right;
      if (last === i) return;
      this.swap(i, last);
      i = last;
    }
  }

  private swap(i: number, j: number): void {
    const { heap } = this;
    const item = heap[i]!;
    heap[i] = heap[j]!;
    heap[j] = item;
  }
}
