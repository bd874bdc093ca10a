import { isStillListed, type WorkerListing } from './still-listed';

const NOW = 1_790_000_000;
const POLICY = { minImageAgeSec: 100, minModelAgeSec: 100 };
const IMAGE = { roles: ['worker'], activeFromSec: NOW - 100 } as const;
const MODEL = { kind: 'files', activeFromSec: NOW - 100 } as const;

describe('a verdict that was good', () => {
  test('holds while image and model are listed as they were, for as long as policy asks', () => {
    expect(isStillListed({ image: IMAGE, model: MODEL }, 'files', POLICY, NOW)).toBe(true);
  });

  test.each<[string, WorkerListing]>([
    ['image is gone', { image: null, model: MODEL }],
    ['model is gone', { image: IMAGE, model: null }],
    ['image is listed for proxies only', { image: { ...IMAGE, roles: ['proxy'] }, model: MODEL }],
    ['image was listed anew', { image: { ...IMAGE, activeFromSec: NOW - 99 }, model: MODEL }],
    ['model was listed anew', { image: IMAGE, model: { ...MODEL, activeFromSec: NOW - 99 } }],
    ['model is listed as another kind', { image: IMAGE, model: { ...MODEL, kind: 'unproven' } }],
  ])('does not hold once its %s', (_, listing) => {
    expect(isStillListed(listing, 'files', POLICY, NOW)).toBe(false);
  });
});
