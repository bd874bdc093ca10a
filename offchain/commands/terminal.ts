/**
 * commands: what `cocoon` does by itself, without a running process: hash a model, explain an image hash, verify
 * evidence and receipts, look at a machine.
 * It trusts the files that it is given no further than their readers do; it never changes anything, opens no state folder and holds no key.
 */

/** Where a command writes. */
export interface Terminal {
  /** The result: standard output. */
  write(text: string): void;
  /** Words beside it, for a person who waits: standard error. */
  note(text: string): void;
  /** Whether a person sees the notes now, so that a line may be written over. */
  readonly isWatched: boolean;
}

const MIN_BYTES = 256 * 1024 * 1024;

/**
 * Tells how far a long work is: on one line that is written over where somebody watches, and one line each tenth otherwise. Small works
 * tell nothing.
 */
export class ProgressLine {
  private percent = -1;

  constructor(
    private readonly terminal: Terminal,
    private readonly words: string,
  ) {}

  show(doneBytes: number, totalBytes: number): void {
    if (totalBytes < MIN_BYTES) return;
    const { isWatched } = this.terminal;
    const step = isWatched ? 1 : 10;
    const percent = Math.floor((100 * doneBytes) / totalBytes / step) * step;
    if (percent === this.percent) return;
    this.percent = percent;
    const line = `${this.words} ${String(percent).padStart(3)} % of ${gibibytes(totalBytes)}`;
    this.terminal.note(isWatched ? `\r${line}` : `${line}\n`);
  }

  /** Leaves the line clean. */
  end(): void {
    if (this.percent >= 0 && this.terminal.isWatched) this.terminal.note('\n');
  }
}

function gibibytes(bytes: number): string {
  return `${(bytes / 1024 ** 3).toFixed(1)} GiB`;
}
