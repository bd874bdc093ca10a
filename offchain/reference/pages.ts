/**
 * reference: makes the reference pages of docs/ from what the code says: config schemas, exit codes, error codes, named checks.
 * It trusts the code and repeats it; it never adds a fact of its own, and no process imports it.
 */
import { ClientConfigSchema } from '../client/config';
import { GuestConfigSchema } from '../guest/config';
import { ChainConfigSchema } from '../localnet/chain/config';
import { ProxyConfigSchema } from '../proxy/config';
import { NetworkSchema } from '../runtime/network';
import { WorkerConfigSchema } from '../worker/config';
import { configPage } from './config-page';
import { errorsPage } from './errors-page';
import { exitCodesPage } from './exit-codes-page';

/** A page of docs/ that nobody writes by hand. */
export interface ReferencePage {
  /** Below the project's folder, with forward slashes. */
  readonly path: string;
  readonly text: string;
}

/** Every page. @param errorsSource text of wrappers/errors.ts, where the meanings of exit codes stand as comments */
export function referencePages(errorsSource: string): readonly ReferencePage[] {
  return [
    {
      path: 'docs/config.md',
      text: configPage([
        { title: 'network.json', intro: 'Describes a network; every process of it reads the same one.', schema: NetworkSchema },
        {
          title: 'client',
          intro: 'The gateway. The library takes the same keys but the last three and `logLevel`.',
          schema: ClientConfigSchema,
        },
        { title: 'proxy', intro: '', schema: ProxyConfigSchema },
        { title: 'worker', intro: '', schema: WorkerConfigSchema },
        { title: 'guest', intro: '', schema: GuestConfigSchema },
        { title: 'chain', intro: 'The local chain, which only the local network starts.', schema: ChainConfigSchema },
      ]),
    },
    { path: 'docs/exit-codes.md', text: exitCodesPage(errorsSource) },
    { path: 'docs/errors.md', text: errorsPage() },
  ];
}
