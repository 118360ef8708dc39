import { statSync } from 'node:fs';
import { stat } from 'node:fs/promises';

/** How often the file is looked at. */
const POLL_MS = 250;

/**
 * Watches a file by looking at it, which holds for editors that put a new file in its place, for symbolic links to another
 * and for network file systems alike. A change is told once the file has been the same for two looks: half-written files
 * are left to be finished.
 */
export class FileWatch {
  onChange: () => void = () => {};
  private readonly path: string;
  /** The file as it was taken last, and at the last look. */
  private taken: string;
  private last: string;
  private timer: NodeJS.Timeout | undefined;
  private looking = false;

  constructor(path: string) {
    this.path = path;
    this.taken = this.last = this.identity();
  }

  /** Begin or end to look. */
  watch(wanted: boolean): void {
    if (wanted === (this.timer !== undefined)) return;
    clearInterval(this.timer);
    this.timer = wanted ? setInterval(() => void this.look(), POLL_MS) : undefined;
    this.timer?.unref();
  }

  /** The file is about to be read: what it is now is known. */
  note(): void {
    this.taken = this.last = this.identity();
  }

  private async look(): Promise<void> {
    if (this.looking) return;
    this.looking = true;
    const now = await stat(this.path, { bigint: true }).then(identityOf, missing);
    this.looking = false;
    const settled = now === this.last;
    this.last = now;
    if (!settled || now === this.taken || this.timer === undefined) return;
    this.taken = now;
    this.onChange();
  }

  private identity(): string {
    try {
      return identityOf(statSync(this.path, { bigint: true }));
    } catch {
      return missing();
    }
  }
}

interface Facts {
  readonly dev: bigint;
  readonly ino: bigint;
  readonly size: bigint;
  readonly mtimeNs: bigint;
}

function identityOf({ dev, ino, size, mtimeNs }: Facts): string {
  return `${dev} ${ino} ${size} ${mtimeNs}`;
}

function missing(): string {
  return 'missing';
}
