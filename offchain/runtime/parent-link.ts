import { z } from 'zod';

const flatValues = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]));

/** Flat values that are safe to show and to log: what a process tells its parent. */
export type Details = z.infer<typeof flatValues>;

/** What a process says to the parent that started it with `--parent`, over the IPC channel. Anything else there is ignored. */
export const ChildMessageSchema = z.discriminatedUnion('type', [
  /** Up and serving; `details` are what the parent needs to go on, such as the port. */
  z.object({ type: z.literal('ready'), details: flatValues }),
  /** Cannot start or cannot go on; exits next. `message` is one line for a person. */
  z.object({ type: z.literal('failed'), code: z.string(), message: z.string() }),
  /** Something that the parent may want to show: progress, an answer's price. */
  z.object({ type: z.literal('event'), event: z.string(), details: flatValues }),
]);

export type ChildMessage = z.infer<typeof ChildMessageSchema>;

/** What a parent says: only this. Losing the channel means the same. */
export const STOP_MESSAGE = { type: 'stop' } as const;
export const StopMessageSchema = z.object({ type: z.literal('stop') });
