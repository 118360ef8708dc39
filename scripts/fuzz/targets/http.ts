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
    const length = values.get('content-length');
    const body = rest.slice(end + 4, end + 4 + Number(length ?? 0));
    // Behind an answer to HEAD the next one begins at once.
    const isBare = length === undefined || rest.startsWith('HTTP/1.1 ', end + 4);
    const isWhole = !isBare && body !== '' && body.length === Number(length);
    const isJson = (values.get('content-type') ?? '').startsWith('application/json');
    found.push({ status, isJson, body: isBare ? '' : body, isWhole });
    // Without a length an answer goes on to the end of the connection, unless it has no body at all.
    if (length === undefined && status >= 200 && status !== 204 && status !== 304) break;
    rest = rest.slice(end + 4 + (isBare ? 0 : body.length));
  }
  return found;
}
