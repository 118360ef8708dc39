import { quoteBytes } from './bytes.js';
import { ProbeError } from './probe.js';
import type { Wire } from './wire.js';

/** SSLRequest: length 8, code 80877103 (PostgreSQL's protocol, "SSL Session Encryption"). */
const SSL_REQUEST = Uint8Array.of(0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f);
/** Ask whether it speaks TLS; a server that says no goes on in plain text. */
export async function offersTls(wire: Wire): Promise<boolean> {
  wire.waiting = () => ': no answer to SSLRequest';
  wire.write(SSL_REQUEST);
  const answer = await wire.read();
  if (answer === undefined) throw new ProbeError('expected an answer to SSLRequest, got end of connection');
  const word = String.fromCharCode(answer[0]!);
  // More than the one byte would be text that somebody between here and there wants to pass off as encrypted.
  if (answer.length === 1 && (word === 'S' || word === 'N')) return word === 'S';
  throw new ProbeError(`expected "S" or "N" from PostgreSQL, got ${quoteBytes(answer)}`);
}
