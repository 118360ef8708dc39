import { ok } from 'node:assert';

/** Cut into pieces of lengths that `how`, a byte, decides; 0 = one piece. */
export function pieces(bytes: Uint8Array, how: number): Uint8Array[] {
  if (how === 0) return [bytes];
  const found: Uint8Array[] = [];
  let size = how % 97;
  for (let at = 0; at < bytes.length; at += Math.max(1, size), size = (size * 7 + how) % 97) {
    found.push(bytes.subarray(at, at + Math.max(1, size)));
  }
  return found;
}

/** Why a probe failed, with a server's words in it: one line of printable text that is not too long. */
export function checkReason(reason: string): void {
  ok(
    /^[ -~…]{1,600}$/.test(reason),
    `a reason with something in it: ${JSON.stringify(reason.slice(0, 700))}`,
  );
}
