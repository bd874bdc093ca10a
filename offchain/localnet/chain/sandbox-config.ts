import { slimConfig } from '@ton/sandbox/dist/config/slimConfig';

/** The sandbox's smaller configuration (base64 of its cell), which it exports by no other way: what transactions need, and little else. */
export const sandboxConfig = slimConfig;
