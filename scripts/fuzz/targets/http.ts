/** One answer, as far as it came. */
export interface Response {
  readonly status: number;
  readonly isJson: boolean;
  readonly body: string;
  /** False for the answer to HEAD, for a stream, and for one that broke off. */
  readonly isWhole: boolean;
}

/** The answers on one connection, one after the other. Throws for what is none. */
export function readResponses(bytes: Buffer): Response[] {
  const found: Response[] = [];
  let rest = bytes.toString('latin1');
  while (rest !== '') {
    const end = rest.indexOf('\r\n\r\n');
    const [first = '', ...headers] = rest.slice(0, end).split('\r\n');
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(first)?.[1]);
    if (end === -1 || Number.isNaN(status)) throw new Error(`no answer of HTTP: ${rest.slice(0, 200)}`);
    const values = new Map(
      headers.map(line => [
        line.slice(0, line.indexOf(':')).toLowerCase(),
        line.slice(line.indexOf(':') + 2),
      ]),
    );
    const length = Number(values.get('content-length') ?? 0);
    // Behind an answer to HEAD the next one begins at once.
    const isBare = values.has('transfer-encoding') || rest.startsWith('HTTP/1.1 ', end + 4);
    const body = isBare ? '' : rest.slice(end + 4, end + 4 + length);
    const isWhole = !isBare && body.length === length && length > 0;
    const isJson = (values.get('content-type') ?? '').startsWith('application/json');
    found.push({ status, isJson, body, isWhole });
    if (values.has('transfer-encoding')) break;
    rest = rest.slice(end + 4 + body.length);
  }
  return found;
}
