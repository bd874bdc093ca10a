import { webCrypto } from '../../../core/web-crypto';
import { answer, type Vector } from './vector';

/** What the test calls in the page: fetches the vectors of this address and answers each. */
async function answerVectors(address: string): Promise<readonly string[]> {
  const vectors: readonly Vector[] = await (await fetch(address)).json();
  const crypto = webCrypto(globalThis.crypto);
  const answers: string[] = [];
  for (const vector of vectors) answers.push(await answer(vector, crypto));
  return answers;
}

Object.assign(globalThis, { answerVectors });
