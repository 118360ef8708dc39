/**
 * Draws an index with a probability proportional to its weight in O(1): Walker's alias method, tables built by
 * M. D. Vose, "A Linear Algorithm for Generating Random Numbers with a Given Distribution" (1991).
 */
export class AliasTable {
  private keep: Float64Array = new Float64Array(0);
  private other = new Int32Array(0);

  /** O(n). All weights > 0. */
  rebuild(weights: Float64Array): void {
    const count = weights.length;
    let total = 0;
    for (const weight of weights) total += weight;
    const scaled = weights.map(weight => (weight * count) / total);
    const small: number[] = [];
    const large: number[] = [];
    for (let i = 0; i < count; i++) (scaled[i]! < 1 ? small : large).push(i);
    this.keep = new Float64Array(count).fill(1);
    this.other = Int32Array.from(weights, (_, index) => index);
    while (small.length > 0 && large.length > 0) {
      const poor = small.pop()!;
      const rich = large.pop()!;
      this.keep[poor] = scaled[poor]!;
      this.other[poor] = rich;
      scaled[rich] = scaled[rich]! + scaled[poor]! - 1;
      (scaled[rich] < 1 ? small : large).push(rich);
    }
  }

  /** `uniform` in [0, 1) gives both the column and the coin. The table must not be empty. */
  draw(uniform: number): number {
    const x = uniform * this.keep.length;
    const column = Math.floor(x);
    return x - column < this.keep[column]! ? column : this.other[column]!;
  }
}
