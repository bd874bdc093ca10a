import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

/** The processes under test are the compiled ones: built once, before the first test. */
export default function build(): void {
  execFileSync(process.execPath, [join(__dirname, '..', 'offchain', 'localnet', 'build.js')], { stdio: 'inherit' });
}
