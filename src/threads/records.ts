import { Peer } from '../address.js';
import type { Finished } from '../flow/sink.js';
import { CLOSE_REASONS } from '../pool/reasons.js';

/** Finished connections on their way to the control plane: numbers in one array, and each text once. */
export interface RecordBatch {
  readonly numbers: Float64Array<ArrayBuffer>;
  readonly texts: readonly string[];
}

/** Records in a full batch. */
export const BATCH = 256;
/** Numbers of a record, in the order in which `add` writes them. */
const WIDTH = 17;

/**
 * Gathers records in a data-plane thread. Objects would be cloned one by one; a batch crosses as one piece of memory, and
 * whoever reads it formats the addresses.
 */
export class RecordWriter {
  count = 0;
  private numbers = new Float64Array(BATCH * WIDTH);
  private texts: string[] = [];
  private readonly places = new Map<string, number>();

  get isFull(): boolean {
    return this.count === BATCH;
  }

  /** The batch must not be full. */
  add(record: Finished): void {
    const { numbers } = this;
    const { client } = record;
    let at = this.count++ * WIDTH;
    numbers[at++] = record.serviceSlot;
    numbers[at++] = this.place(record.service);
    numbers[at++] = client.family;
    numbers[at++] = client.a0;
    numbers[at++] = client.a1;
    numbers[at++] = client.a2;
    numbers[at++] = client.a3;
    numbers[at++] = client.port;
    numbers[at++] = record.backendSlot;
    numbers[at++] = this.place(record.backend);
    numbers[at++] = record.bytesIn;
    numbers[at++] = record.bytesOut;
    numbers[at++] = record.connectMs;
    numbers[at++] = record.durationMs;
    numbers[at++] = record.attempts;
    numbers[at++] = CLOSE_REASONS.indexOf(record.reason);
    numbers[at] = this.place(record.detail);
  }

  /** What was gathered; the memory is the receiver's from here on. */
  take(): RecordBatch {
    const { numbers, texts, count } = this;
    this.count = 0;
    this.numbers = new Float64Array(BATCH * WIDTH);
    this.texts = [];
    this.places.clear();
    return { numbers: count === BATCH ? numbers : numbers.slice(0, count * WIDTH), texts };
  }

  private place(text: string): number {
    let place = this.places.get(text);
    if (place === undefined) {
      place = this.texts.push(text) - 1;
      this.places.set(text, place);
    }
    return place;
  }
}

/** One record of a batch after the other, in the same object. */
class ReadRecord implements Finished {
  serviceSlot = 0;
  service = '';
  readonly client = new Peer();
  backendSlot = 0;
  backend = '';
  bytesIn = 0;
  bytesOut = 0;
  connectMs = 0;
  durationMs = 0;
  attempts = 0;
  reason: Finished['reason'] = 'internal_error';
  detail = '';
}

/** Hand each record of a batch to `finished`; the object is valid during the call only. */
export function readRecords({ numbers, texts }: RecordBatch, finished: (record: Finished) => void): void {
  const record = new ReadRecord();
  const { client } = record;
  for (let at = 0; at < numbers.length; ) {
    record.serviceSlot = numbers[at++]!;
    record.service = texts[numbers[at++]!]!;
    client.family = numbers[at++]! as Peer['family'];
    client.a0 = numbers[at++]!;
    client.a1 = numbers[at++]!;
    client.a2 = numbers[at++]!;
    client.a3 = numbers[at++]!;
    client.port = numbers[at++]!;
    record.backendSlot = numbers[at++]!;
    record.backend = texts[numbers[at++]!]!;
    record.bytesIn = numbers[at++]!;
    record.bytesOut = numbers[at++]!;
    record.connectMs = numbers[at++]!;
    record.durationMs = numbers[at++]!;
    record.attempts = numbers[at++]!;
    record.reason = CLOSE_REASONS[numbers[at++]!]!;
    record.detail = texts[numbers[at++]!]!;
    finished(record);
  }
}
