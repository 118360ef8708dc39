/**
 * A binary min-heap of the numbers 0 to capacity - 1 with a key each, on typed arrays, so that nothing is allocated
 * after construction. Equal keys come out by number. A number is in it at most once.
 */
export class IndexHeap {
  size = 0;
  private readonly items: Int32Array;
  private readonly keys: Float64Array;
  /** Where each number is in `items`; -1 when it is not. */
  private readonly places: Int32Array;

  constructor(capacity: number) {
    this.items = new Int32Array(capacity);
    this.keys = new Float64Array(capacity);
    this.places = new Int32Array(capacity).fill(-1);
  }

  /** The number with the smallest key. The heap must not be empty, as for `topKey`. */
  get top(): number {
    return this.items[0]!;
  }

  get topKey(): number {
    return this.keys[this.items[0]!]!;
  }

  /** O(log n). `item` must not be in the heap. */
  push(item: number, key: number): void {
    this.keys[item] = key;
    this.rise(item, this.size++);
  }

  /** O(log n); nothing happens when `item` is not in the heap. */
  remove(item: number): void {
    const place = this.places[item]!;
    if (place < 0) return;
    this.places[item] = -1;
    const last = this.items[--this.size]!;
    if (last === item) return;
    this.sink(last, place);
    this.rise(last, this.places[last]!);
  }

  private before(a: number, b: number): boolean {
    const difference = this.keys[a]! - this.keys[b]!;
    return difference < 0 || (difference === 0 && a < b);
  }

  private put(item: number, place: number): void {
    this.items[place] = item;
    this.places[item] = place;
  }

  private rise(item: number, place: number): void {
    while (place > 0) {
      const parent = (place - 1) >> 1;
      const above = this.items[parent]!;
      if (!this.before(item, above)) break;
      this.put(above, place);
      place = parent;
    }
    this.put(item, place);
  }

  private sink(item: number, place: number): void {
    for (;;) {
      let child = 2 * place + 1;
      if (child >= this.size) break;
      if (child + 1 < this.size && this.before(this.items[child + 1]!, this.items[child]!)) child++;
      const below = this.items[child]!;
      if (!this.before(below, item)) break;
      this.put(below, place);
      place = child;
    }
    this.put(item, place);
  }
}
