/** Bytes on their way from one who writes to one who reads: the writer waits while too much is unread. One reader, one writer. */
export class ByteQueue implements AsyncIterable<Uint8Array> {
  private readonly waiting: Uint8Array[] = [];
  private size = 0;
  private state: { readonly type: 'open' } | { readonly type: 'ended' } | { readonly type: 'failed'; readonly error: Error } = {
    type: 'open',
  };
  private isAbandoned = false;
  private wakeReader: (() => void) | null = null;
  private wakeWriter: (() => void) | null = null;

  constructor(private readonly limit: number) {}

  /** Resolves when there is room for more. After abandon() what is written is dropped. */
  async push(bytes: Uint8Array): Promise<void> {
    if (this.isAbandoned) return;
    this.waiting.push(bytes);
    this.size += bytes.length;
    this.wakeReader?.();
    while (this.size >= this.limit && !this.isAbandoned) {
      await new Promise<void>((resolve) => {
        this.wakeWriter = resolve;
      });
    }
  }

  /** No more comes. */
  end(): void {
    this.close({ type: 'ended' });
  }

  /** The reader gets this error behind what it has not read yet. */
  fail(error: Error): void {
    this.close({ type: 'failed', error });
  }

  /** Nobody reads any more: the writer is never held up. */
  abandon(): void {
    this.isAbandoned = true;
    this.waiting.length = 0;
    this.size = 0;
    this.wakeWriter?.();
    this.wakeReader?.();
  }

  /** Not a generator: giving up one that was never begun would not abandon the queue, and its writer would wait for ever. */
  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    return {
      next: () => this.next(),
      return: async () => {
        this.abandon();
        return { done: true, value: undefined };
      },
    };
  }

  private async next(): Promise<IteratorResult<Uint8Array>> {
    for (;;) {
      const bytes = this.waiting.shift();
      if (bytes !== undefined) {
        this.size -= bytes.length;
        this.wakeWriter?.();
        return { done: false, value: bytes };
      }
      if (this.isAbandoned || this.state.type === 'ended') return { done: true, value: undefined };
      if (this.state.type === 'failed') throw this.state.error;
      await new Promise<void>((resolve) => {
        this.wakeReader = resolve;
      });
    }
  }

  private close(state: { readonly type: 'ended' } | { readonly type: 'failed'; readonly error: Error }): void {
    if (this.state.type === 'open') this.state = state;
    this.wakeReader?.();
  }
}
