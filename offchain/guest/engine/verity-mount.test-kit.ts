import type { DeviceMapper } from './verity-mount';

/** A device mapper with one dm-verity device, on which everything lies; it has the root that `root` gives at each question. */
export function verityDevice(root: () => string): DeviceMapper {
  return {
    deviceOf: async () => ({ major: 253, minor: 3 }),
    isMapped: async () => true,
    run: async () => ({ code: 0, stdout: `0 2048 verity 1 8:1 8:2 4096 4096 256 1 sha256 ${root()} -\n`, stderr: '' }),
  };
}
