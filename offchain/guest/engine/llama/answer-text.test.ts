import { AnswerText } from './answer-text';

/** One token per byte: the hardest case for whole characters. */
const bytes = { detokenize: (tokens: Uint32Array) => Buffer.from(tokens).toString('utf8') };

function run(text: string, stops: readonly string[] = []): string[] {
  const answer = new AnswerText(bytes, stops);
  const pieces = [...Buffer.from(text)].map((token) => answer.push(token));
  return [...pieces, answer.end()];
}

describe('AnswerText', () => {
  it('gives whole characters only, and all of them', () => {
    const pieces = run('aé你🙂b');
    expect(pieces.join('')).toBe('aé你🙂b');
    expect(pieces).not.toContain('\ufffd');
    expect(pieces.slice(0, 3)).toEqual(['a', '', 'é']);
  });

  it('gives up on bytes that never become a character', () => {
    const answer = new AnswerText(bytes, []);
    const pieces = [0xff, 0xff, 0xff, 0xff, 0x61].map((token) => answer.push(token));
    expect(pieces.join('') + answer.end()).toMatch(/^\ufffd+a$/);
  });

  it('ends before the first stop string and gives nothing afterwards', () => {
    const answer = new AnswerText(bytes, ['END', 'STOP']);
    const text = [...Buffer.from('one STOP two END')].map((token) => answer.push(token)).join('') + answer.end();
    expect(text).toBe('one ');
    expect(answer.isStopped).toBe(true);
  });

  it('holds back what may become a stop string, and gives it at the end when it did not', () => {
    const pieces = run('so ST', ['STOP']);
    expect(pieces.slice(0, -1).join('')).toBe('so');
    expect(pieces.join('')).toBe('so ST');
  });
});
