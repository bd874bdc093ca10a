/** The scripts of `blueprint run` on a chain in the sandbox: a network whose wallet is a party's, and a person with prepared answers. */
import type { NetworkProvider, UIProvider } from '@ton/blueprint';
import {
  Address,
  type Contract,
  type ContractProvider,
  type OpenedContract,
  openContract,
  type Sender,
  type SenderArguments,
} from '@ton/core';
import type { Blockchain } from '@ton/sandbox';
import { TonClient } from '@ton/ton';
import { Refusal } from '../wrappers/console/refusal';
import type { Party } from './world';

export type Script = (provider: NetworkProvider, args: string[]) => Promise<void>;

/** What came of a run. */
export interface Said {
  /** Everything written, a line each. */
  readonly lines: readonly string[];
  /** Every question, in order. */
  readonly asked: readonly string[];
  /** The one line that a script which refuses ends with; null when it did not. */
  readonly refusal: string | null;
  /** Whether the wallet sent anything. */
  readonly hasSent: boolean;
}

/** Runs a script with a party's wallet. `answers` are taken in order, true and false for yes and no; by default it is only confirmed. */
export function runScript(
  chain: Blockchain,
  wallet: Party,
  script: Script,
  args: readonly string[],
  answers: readonly (string | boolean)[] = [true],
): Promise<Said> {
  const person = new PreparedPerson(answers);
  return runOn(new SandboxNetwork(chain, wallet, person), person, script, args);
}

/** Runs a script on a network where this person answers. */
export async function runOn(network: NetworkProvider, person: PreparedPerson, script: Script, args: readonly string[]): Promise<Said> {
  const { address } = network.sender();
  if (address === undefined) throw new Error('the wallet has no address');
  const last = async () => (await network.getContractState(address)).last?.lt;
  const before = await last();
  let refusal: string | null = null;
  try {
    await script(network, [...args]);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    refusal = error.message;
  }
  return { lines: person.lines, asked: person.asked, refusal, hasSent: (await last()) !== before };
}

/** The script does what it should: it says so, and sends. */
export function expectDone(said: Said, ...lines: readonly (string | RegExp)[]): void {
  expect(said.refusal).toBeNull();
  expect(said.hasSent).toBe(true);
  for (const line of lines) expect(said.lines.join('\n')).toMatch(line instanceof RegExp ? line : literally(line));
}

/** The script refuses with one line, before anything is sent. */
export function expectUnsent(said: Said, reason: string | RegExp): void {
  expect(said.refusal).toMatch(reason instanceof RegExp ? reason : literally(reason));
  expect(said.refusal).not.toContain('\n');
  expect(said.hasSent).toBe(false);
}

function literally(text: string): RegExp {
  return new RegExp(text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
}

/** Who sits at the console in a test. */
export class PreparedPerson implements UIProvider {
  readonly lines: string[] = [];
  readonly asked: string[] = [];
  private readonly answers: (string | boolean)[];

  constructor(answers: readonly (string | boolean)[]) {
    this.answers = [...answers];
  }

  write(message: string): void {
    this.lines.push(message);
  }

  async prompt(message: string): Promise<boolean> {
    const answer = this.next(message);
    if (typeof answer !== 'boolean') throw new Error(`'${message}' wants yes or no, prepared was '${answer}'`);
    return answer;
  }

  async input(message: string): Promise<string> {
    const answer = this.next(message);
    if (typeof answer !== 'string') throw new Error(`'${message}' wants a text, prepared was ${answer}`);
    return answer;
  }

  async inputAddress(message: string): Promise<Address> {
    return Address.parse(await this.input(message));
  }

  async choose<T>(message: string, choices: T[], display: (choice: T) => string): Promise<T> {
    const answer = await this.input(message);
    const choice = choices.find((candidate) => display(candidate) === answer);
    if (choice === undefined) throw new Error(`'${message}' has no choice '${answer}'`);
    return choice;
  }

  setActionPrompt(): void {}

  clearActionPrompt(): void {}

  private next(message: string): string | boolean {
    this.asked.push(message);
    const answer = this.answers.shift();
    if (answer === undefined) throw new Error(`no answer is prepared for '${message}'`);
    return answer;
  }
}

/** The node's answers that scripts read beside a contract's state: the time of the chain. */
class SandboxClient extends TonClient {
  constructor(private readonly chain: Blockchain) {
    super({ endpoint: 'http://sandbox.invalid' });
  }

  override async getContractState(): ReturnType<TonClient['getContractState']> {
    const timestampt = this.chain.now ?? 0;
    const blockId = { workchain: 0, shard: '0', seqno: 1 };
    return {
      balance: 0n,
      extra_currencies: undefined,
      state: 'active',
      code: null,
      data: null,
      lastTransaction: null,
      blockId,
      timestampt,
    };
  }
}

/** Blueprint's view of a chain in the sandbox, with a party's wallet. */
export class SandboxNetwork implements NetworkProvider {
  constructor(
    private readonly chain: Blockchain,
    private readonly wallet: Party,
    private readonly person: UIProvider,
  ) {}

  network(): 'custom' {
    return 'custom';
  }

  explorer(): 'tonscan' {
    return 'tonscan';
  }

  sender(): Sender {
    const { wallet } = this;
    return {
      address: wallet.address,
      async send(args: SenderArguments): Promise<void> {
        await wallet.send({ to: args.to, value: args.value, body: args.body ?? undefined, init: args.init ?? undefined, bounce: true });
      },
    };
  }

  api(): TonClient {
    return new SandboxClient(this.chain);
  }

  provider(address: Address): ContractProvider {
    const { chain } = this;
    const inner = chain.provider(address);
    return {
      getState: () => inner.getState(),
      get: (name, args) => inner.get(name, args),
      external: (message) => inner.external(message),
      internal: (via, args) => inner.internal(via, args),
      open: (contract) => inner.open(contract),
      // The sandbox compares hashes by identity, and turns its history around each time that it is asked.
      async getTransactions(of, lt) {
        const all = await chain.getTransactions(of);
        return all.filter((transaction) => transaction.lt <= lt).sort((a, b) => Number(b.lt - a.lt));
      },
    };
  }

  ui(): UIProvider {
    return this.person;
  }

  getContractState(address: Address) {
    return this.provider(address).getState();
  }

  async isContractDeployed(address: Address): Promise<boolean> {
    return (await this.getContractState(address)).state.type === 'active';
  }

  open<T extends Contract>(contract: T): OpenedContract<T> {
    return openContract(contract, ({ address, init }) => this.chain.provider(address, init));
  }

  async waitForDeploy(): Promise<void> {}

  async waitForLastTransaction(): Promise<void> {}

  async deploy(): Promise<void> {
    throw new Error('deploy is not used');
  }

  async getConfig(): Promise<never> {
    throw new Error('the configuration is not used');
  }
}
