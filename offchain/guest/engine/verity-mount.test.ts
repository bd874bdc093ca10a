import { type DeviceMapper, deviceNumbers, verityRootOfMount, verityRootOfTable } from './verity-mount';

const ROOT = '27438a2dbe5ac9b8ba4f1217704161e59df069dd188d4e7b9111a927de44f6aa';
/** 130 blocks of 4096 bytes are 1040 sectors. */
const TABLE = `0 1040 verity 1 7:0 7:1 4096 4096 130 1 sha256 ${ROOT} 00112233`;

describe('verityRootOfTable', () => {
  it.each([
    ['as dmsetup prints it', `${TABLE}\n`],
    ['without a salt', TABLE.replace('00112233', '-')],
    ['with options that change nothing in what is read', `${TABLE} 2 restart_on_corruption ignore_zero_blocks`],
    ['with a signature of its root', `${TABLE} 3 panic_on_corruption root_hash_sig_key_desc cryptsetup:1-2`],
  ])('is the root hash in a table %s', (_what, table) => {
    expect(verityRootOfTable(table)).toBe(ROOT);
  });

  it.each<readonly [string, string, RegExp]>([
    ['that passes corrupt blocks on', `${TABLE} 1 ignore_corruption`, /made with ignore_corruption/],
    ['that checks a block at its first read alone', `${TABLE} 1 check_at_most_once`, /made with check_at_most_once/],
    ['with an option that nobody knows', `${TABLE} 1 \u001b[2J`, /made with \?\?2\?/],
    ['whose options do not add up', `${TABLE} 2 restart_on_corruption`, /do not add up/],
    ['whose options have no count', `${TABLE} restart_on_corruption`, /do not add up/],
    ['of another target', '0 1040 linear 7:0 0', /no dm-verity table/],
    ['of a target over a part of the device', `${TABLE}\n1040 8 linear 7:0 0`, /2 targets, expected one/],
    ['that begins later', TABLE.replace('0 1040', '8 1032'), /no dm-verity table/],
    ['over more sectors than the tree covers', TABLE.replace('1040', '2040'), /2040 sectors, and its tree covers 130 blocks/],
    ['of hash type 0', TABLE.replace('verity 1', 'verity 0'), /no dm-verity table/],
    ['with another algorithm', TABLE.replace('sha256', 'sha1'), /no dm-verity table/],
    ['with a root of another size', TABLE.replace(ROOT, ROOT.slice(2)), /no dm-verity table/],
    ['that is empty', '', /no dm-verity table/],
  ])('refuses a table %s (model_not_verity)', (_what, table, message) => {
    expect(() => verityRootOfTable(table)).toThrow(
      expect.objectContaining({ code: 'model_not_verity', message: expect.stringMatching(message) }),
    );
  });
});

describe('verityRootOfMount', () => {
  const mapper: DeviceMapper = {
    deviceOf: async () => ({ major: 253, minor: 3 }),
    isMapped: async () => true,
    run: async (file, args) => ({
      code: 0,
      stdout: `${file} ${args.join(' ')}` === 'dmsetup table --major 253 --minor 3' ? TABLE : '',
      stderr: '',
    }),
  };

  it('is the root against which the kernel checks what is read at a path', async () => {
    expect(await verityRootOfMount('/model', mapper)).toBe(ROOT);
  });

  it.each<readonly [string, Partial<DeviceMapper>, string, RegExp]>([
    ['there is nothing', { deviceOf: () => Promise.reject(new Error('ENOENT')) }, 'model_not_found', /no model at/],
    ['the device is an ordinary one', { isMapped: async () => false }, 'model_not_verity', /device 253:3, which is no dm-verity device/],
    ['dmsetup is not installed', { run: async () => null }, 'model_not_verity', /not installed/],
    [
      'dmsetup may not ask',
      { run: async () => ({ code: 1, stdout: TABLE, stderr: '' }) },
      'model_not_verity',
      /exit code 1\); it needs root/,
    ],
  ])('is refused when %s', async (_what, change, code, message) => {
    await expect(verityRootOfMount('/model', { ...mapper, ...change })).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
  });
});

describe('deviceNumbers', () => {
  it('takes the numbers of a device apart as the kernel puts them together', () => {
    expect(deviceNumbers(0xfd03n)).toEqual({ major: 253, minor: 3 });
    // minor 0x105: low byte 05, the rest 12 bits up; major 0x1003: low 12 bits 8 bits up, the rest 32 bits up.
    expect(deviceNumbers((0x1000n << 32n) | (0x100n << 12n) | (0x003n << 8n) | 0x05n)).toEqual({ major: 0x1003, minor: 0x105 });
  });
});
