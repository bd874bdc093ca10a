import type { Terminal } from './terminal';

/** Remembers what a command wrote. */
export class RecordedTerminal implements Terminal {
  written = '';
  notes = '';

  constructor(readonly isWatched = false) {}

  write(text: string): void {
    this.written += text;
  }

  note(text: string): void {
    this.notes += text;
  }
}
