import { z } from 'zod';

/** What an engine process tells its parent: one JSON object per line on its standard output. */
const childMessageSchema = z.discriminatedUnion('event', [
  z.object({ event: z.literal('progress'), progress: z.number().min(0).max(1), note: z.string() }),
  z.object({ event: z.literal('listening'), port: z.int().min(1).max(65535) }),
  z.object({ event: z.literal('failed'), reason: z.string() }),
]);
export type ChildMessage = z.infer<typeof childMessageSchema>;

/** The message in one line, null for anything else: an engine that is not ours may print what it likes. */
export function parseChildMessage(line: string): ChildMessage | null {
  let json: unknown;
  try {
    json = JSON.parse(line);
  } catch {
    return null;
  }
  const result = childMessageSchema.safeParse(json);
  return result.success ? result.data : null;
}
