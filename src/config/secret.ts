import { createHmac, randomBytes } from 'node:crypto';

/** A key of this process: marks are the same for the same secret, and say nothing about it outside. */
const KEY = randomBytes(32);

/**
 * Text that must not be seen. It is only told by `reveal`: not printed, not logged, not put into JSON, and gone from a
 * copy that is posted to a thread. `mark` lets two configurations be compared.
 */
export class Secret {
  readonly mark: string;
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
    this.mark = createHmac('sha256', KEY).update(text).digest('hex').slice(0, 16);
  }

  reveal(): string {
    return this.#text;
  }
}
