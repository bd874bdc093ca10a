import { z } from 'zod';
import { processConfigShape } from '../../runtime/config';

export const ChainConfigSchema = z.strictObject({
  ...processConfigShape,
  host: z.string().default('127.0.0.1').describe('address to listen on; whoever reaches it can make coins and move time'),
  port: z.int().min(0).max(65535).default(10002).describe('port to listen on, 0 for any free one'),
  blockIntervalMs: z.int().min(10).default(1000).describe('pause between two empty blocks'),
});
