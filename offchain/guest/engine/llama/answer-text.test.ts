import { AnswerText } from './answer-text';
import { BYTE_LETTERS, TOKEN_TYPE, type TokenList, tokenBytes } from './token-bytes';

/** One token per byte: the hardest case for whole characters. */
const bytes: TokenList = { kind: 'gpt2', texts: BYTE_LETTERS, types: BYTE_LETTERS.map(() => TOKEN_TYPE.normal) };

function run(text: string, stops: readonly string[] = []): string[] {
  const answer = new AnswerText(bytes, stops);
  const pieces = [...Buffer.from(text)].map((token) => answer.push(token));
  return [...pieces, answer.end()];
}

describe('AnswerText', () => {
  it('gives whole characters only, and all of them', () => {
    const pieces = run('aé你🙂 , b');
    expect(pieces.join('')).toBe('aé你🙂 , b');
    expect(pieces.slice(0, 3)).toEqual(['a', '', 'é']);
  });

  it('shows bytes that never become a character as U+FFFD', () => {
    const answer = new AnswerText(bytes, []);
    const pieces = [0xff, 0x61, 0xf0, 0x9f].map((token) => answer.push(token));
    expect(pieces.join('') + answer.end()).toBe('\ufffda\ufffd');
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

describe('tokenBytes', () => {
  const { normal, unknown, control, userDefined, unused, byte } = TOKEN_TYPE;
  const text = (kind: string, token: string, type: number) =>
    Buffer.from(tokenBytes({ kind, texts: [token], types: [type] }, 0)).toString();

  it.each([
    ['gpt2', '\u0120caf\u00c3\u00a9', normal, ' café'],
    ['gpt2', '<tool_call>', userDefined, '<tool_call>'],
    ['gpt2', '<|im_end|>', control, ''],
    ['llama', '\u2581hi\u2581', normal, ' hi '],
    ['llama', '<0x41>', byte, 'A'],
    ['llama', '<unk>', unknown, ''],
    ['llama', '<unused7>', unused, ''],
    ['t5', 'plain', normal, 'plain'],
  ])('writes %s token %s of type %d as %j', (kind, token, type, expected) => {
    expect(text(kind, token, type)).toBe(expected);
  });

  it('writes nothing for a token that is not in the list', () => {
    expect(tokenBytes({ kind: 'gpt2', texts: [], types: [] }, 5)).toHaveLength(0);
  });
});
