import { fromBigEndian, toBigEndian } from '../core/bytes';
import { SealingError } from './errors';

const MIN_REQUEST_SIZE = 1024;
const CHUNK_UNIT = 256;
/** Most bytes of a padded request. */
export const MAX_REQUEST_SIZE = 8 * 1024 * 1024;

/** length(4) content zeros: the next power of two, at least 1 KiB. @throws SealingError oversize */
export function padRequest(content: Uint8Array): Uint8Array {
  if (content.length + 4 > MAX_REQUEST_SIZE) {
    throw new SealingError('oversize', `request of ${content.length} bytes, limit ${MAX_REQUEST_SIZE - 4}`);
  }
  let size = MIN_REQUEST_SIZE;
  while (size < content.length + 4) size *= 2;
  return pad(content, 4, size);
}

/** The content of a padded request. @throws SealingError altered */
export function unpadRequest(padded: Uint8Array): Uint8Array {
  return unpad(padded, 4);
}

/** length(2) content zeros: the next multiple of 256. */
export function padChunk(content: Uint8Array): Uint8Array {
  return pad(content, 2, Math.ceil((content.length + 2) / CHUNK_UNIT) * CHUNK_UNIT);
}

/** The content of a padded chunk. @throws SealingError altered */
export function unpadChunk(padded: Uint8Array): Uint8Array {
  return unpad(padded, 2);
}

function pad(content: Uint8Array, lengthSize: number, size: number): Uint8Array {
  const padded = new Uint8Array(size);
  padded.set(toBigEndian(content.length, lengthSize));
  padded.set(content, lengthSize);
  return padded;
}

function unpad(padded: Uint8Array, lengthSize: number): Uint8Array {
  if (padded.length < lengthSize) throw new SealingError('altered', 'padded content is too short');
  const end = lengthSize + Number(fromBigEndian(padded.subarray(0, lengthSize)));
  if (end > padded.length) throw new SealingError('altered', 'padded content is longer than its chunk');
  for (let i = end; i < padded.length; i++) if (padded[i] !== 0) throw new SealingError('altered', 'padding is not zero');
  return padded.subarray(lengthSize, end);
}
