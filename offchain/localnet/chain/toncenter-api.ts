import { Address, beginCell, Cell, Dictionary, external, loadTransaction, type Message, storeMessage, type Transaction } from '@ton/core';
import { z } from 'zod';
import { type Block, derivedHash } from './blocks';
import type { LocalChain, TransactionRecord } from './chain';
import { LocalChainError } from './local-chain-error';
import { formatStack, parseStack, requestStackSchema } from './stack';

/** Answers one call of the API with its result, ready for JSON. Parameters come as JSON, or as text from a query. */
export type ApiMethod = (params: unknown) => unknown;

const SHARD = '-9223372036854775808';
const NO_HASH = Buffer.alloc(32);
const MAX_TRANSACTIONS = 100;

const address = z.string().transform((text, context) => {
  try {
    return Address.parse(text);
  } catch {
    context.addIssue({ code: 'custom', message: 'not an address' });
    return z.NEVER;
  }
});
const cell = z.string().transform((text, context) => {
  try {
    return Cell.fromBase64(text);
  } catch {
    context.addIssue({ code: 'custom', message: 'not a base64 bag of cells' });
    return z.NEVER;
  }
});
const optionalCell = z.union([z.literal('').transform(() => undefined), cell]).optional();
const integer = z.coerce.number().int();
const lt = z.union([z.string().regex(/^\d{1,20}$/), z.int().nonnegative()]).transform(BigInt);
const ofAccount = z.object({ address });
const ofBlock = z.object({ workchain: integer, seqno: integer });
const ofMessage = z.object({ source: address, destination: address, created_lt: lt });

/** The toncenter v2 methods on a local chain. Source: the OpenAPI description at toncenter.com/api/v2. */
export function toncenterMethods(chain: LocalChain): ReadonlyMap<string, ApiMethod> {
  const sendBoc = (boc: Cell) => chain.sendExternal(boc);
  const bocParams = z.object({ boc: cell });
  const shards = method(z.object({ seqno: integer }), ({ seqno }) => ({
    '@type': 'blocks.shards',
    shards: [blockId(blockAt(chain, seqno), 0)],
  }));
  return new Map<string, ApiMethod>([
    [
      'getMasterchainInfo',
      () => {
        const last = blockId(chain.lastBlock, -1);
        return { '@type': 'blocks.masterchainInfo', last, state_root_hash: last.root_hash, init: blockId(blockAt(chain, 0), -1) };
      },
    ],
    ['getAddressInformation', method(ofAccount, ({ address }) => addressInformation(chain, address))],
    ['getExtendedAddressInformation', method(ofAccount, ({ address }) => extendedAddressInformation(chain, address))],
    ['getAddressBalance', method(ofAccount, ({ address }) => accountOf(chain, address).balance)],
    ['getAddressState', method(ofAccount, ({ address }) => accountOf(chain, address).state)],
    [
      'runGetMethod',
      method(z.object({ address, method: z.union([z.string(), z.int()]), stack: requestStackSchema.default([]) }), async (params) => {
        const outcome = await chain.runGetMethod(params.address, methodId(params.method), parseStack(params.stack));
        const { last, block } = accountOf(chain, params.address);
        const stack = formatStack(outcome.stack);
        return {
          '@type': 'smc.runResult',
          gas_used: outcome.gasUsed,
          stack,
          exit_code: outcome.exitCode,
          block_id: block,
          last_transaction_id: last,
        };
      }),
    ],
    [
      'sendBoc',
      method(bocParams, async ({ boc }) => {
        await sendBoc(boc);
        return { '@type': 'ok' };
      }),
    ],
    [
      'sendBocReturnHash',
      method(bocParams, async ({ boc }) => ({ '@type': 'raw.extMessageInfo', hash: (await sendBoc(boc)).toString('base64') })),
    ],
    ['estimateFee', method(estimateFeeParams, (params) => estimateFee(chain, params))],
    ['getTransactions', method(getTransactionsParams, (params) => getTransactions(chain, params).map(formatTransaction))],
    [
      'tryLocateResultTx',
      method(ofMessage, ({ source, destination, created_lt }) => {
        const record = chain.transactionOfMessage(source, destination, created_lt);
        if (record === null) throw new LocalChainError('not_found', 'no transaction of this message');
        return formatTransaction(record);
      }),
    ],
    ['shards', shards],
    ['getShards', shards],
    ['lookupBlock', method(ofBlock, ({ workchain, seqno }) => blockId(blockAt(chain, seqno), workchain))],
    ['getBlockHeader', method(ofBlock, ({ workchain, seqno }) => blockHeader(chain, workchain, seqno))],
    ['getBlockTransactions', method(ofBlock, ({ workchain, seqno }) => blockTransactions(chain, workchain, seqno))],
    [
      'getConfigParam',
      method(z.object({ config_id: integer }), ({ config_id }) => {
        const param = Dictionary.loadDirect(Dictionary.Keys.Int(32), Dictionary.Values.Cell(), chain.config).get(config_id);
        if (param === undefined) throw new LocalChainError('not_found', 'no such configuration parameter');
        return configInfo(param);
      }),
    ],
    ['getConfigAll', () => configInfo(chain.config)],
  ]);
}

/** A method whose parameters have been checked. */
function method<T>(schema: z.ZodType<T>, answer: (params: T) => unknown): ApiMethod {
  return (raw) => {
    const params = schema.safeParse(raw);
    if (params.success) return answer(params.data);
    const issue = params.error.issues[0];
    throw new LocalChainError('bad_params', `${issue?.path.join('.') || 'params'}: ${issue?.message ?? 'not valid'}`);
  };
}

function blockAt(chain: LocalChain, seqno: number): Block {
  const block = chain.blockAt(seqno);
  if (block === null) throw new LocalChainError('block_not_found', 'block not found');
  return block;
}

function blockId({ seqno, rootHash }: Block, workchain: number) {
  if (workchain !== 0 && workchain !== -1) throw new LocalChainError('bad_params', 'workchain: 0 or -1');
  const root = workchain === -1 ? rootHash : derivedHash(rootHash, 'basechain');
  return {
    '@type': 'ton.blockIdExt',
    workchain,
    shard: SHARD,
    seqno,
    root_hash: root.toString('base64'),
    file_hash: derivedHash(root, 'file').toString('base64'),
  };
}

function blockHeader(chain: LocalChain, workchain: number, seqno: number) {
  const block = blockAt(chain, seqno);
  const lts = chain.transactionsIn(seqno).map((record) => record.lt);
  return {
    '@type': 'blocks.header',
    id: blockId(block, workchain),
    gen_utime: block.timeSec,
    start_lt: (lts[0] ?? 0n).toString(),
    end_lt: (lts.at(-1) ?? 0n).toString(),
    is_key_block: false,
    prev_blocks: seqno === 0 ? [] : [blockId(blockAt(chain, seqno - 1), workchain)],
  };
}

function blockTransactions(chain: LocalChain, workchain: number, seqno: number) {
  const records = chain.transactionsIn(blockAt(chain, seqno).seqno).filter(({ account }) => account.workChain === workchain);
  const transactions = records.map(({ account, lt, hash }) => ({
    '@type': 'blocks.shortTxId',
    mode: 135,
    account: account.toRawString(),
    lt: lt.toString(),
    hash: hash.toString('base64'),
  }));
  const id = blockId(blockAt(chain, seqno), workchain);
  return { '@type': 'blocks.transactions', id, req_count: transactions.length, incomplete: false, transactions };
}

function accountOf(chain: LocalChain, address: Address) {
  const storage = chain.account(address).account?.storage;
  const record = chain.transactionsOf(address).at(-1);
  const active = storage?.state.type === 'active' ? storage.state.state : undefined;
  return {
    balance: (storage?.balance.coins ?? 0n).toString(),
    state: storage?.state.type === 'active' ? 'active' : storage?.state.type === 'frozen' ? 'frozen' : 'uninitialized',
    code: toBase64(active?.code),
    data: toBase64(active?.data),
    frozenHash: storage?.state.type === 'frozen' ? storage.state.stateHash.toString(16).padStart(64, '0') : '',
    last: transactionId(record?.lt ?? 0n, record?.hash ?? NO_HASH),
    block: blockId(chain.lastBlock, -1),
    timeSec: chain.lastBlock.timeSec,
  };
}

function addressInformation(chain: LocalChain, address: Address) {
  const account = accountOf(chain, address);
  return {
    '@type': 'raw.fullAccountState',
    balance: account.balance,
    extra_currencies: [],
    code: account.code,
    data: account.data,
    last_transaction_id: account.last,
    block_id: account.block,
    frozen_hash: account.frozenHash,
    sync_utime: account.timeSec,
    state: account.state,
  };
}

function extendedAddressInformation(chain: LocalChain, address: Address) {
  const account = accountOf(chain, address);
  const accountState =
    account.state === 'active'
      ? { '@type': 'raw.accountState', code: account.code, data: account.data, frozen_hash: '' }
      : { '@type': 'uninited.accountState', frozen_hash: account.frozenHash };
  return {
    '@type': 'fullAccountState',
    address: { '@type': 'accountAddress', account_address: address.toString() },
    balance: account.balance,
    extra_currencies: [],
    last_transaction_id: account.last,
    block_id: account.block,
    sync_utime: account.timeSec,
    account_state: accountState,
    revision: 0,
  };
}

const getTransactionsParams = z.object({
  address,
  limit: integer.min(1).max(MAX_TRANSACTIONS).default(10),
  lt: lt.optional(),
  hash: z.string().optional(),
  to_lt: lt.optional(),
});

/** Newest first, from the transaction named by `lt` and `hash` on, down to but without `to_lt`. */
function getTransactions(chain: LocalChain, params: z.output<typeof getTransactionsParams>): TransactionRecord[] {
  const records = chain.transactionsOf(params.address);
  let end = records.length;
  if (params.lt !== undefined) {
    end = records.findIndex((record) => record.lt === params.lt) + 1;
    const first = records[end - 1];
    if (first === undefined) throw new LocalChainError('not_found', 'cannot locate transaction in block with specified logical time');
    if (params.hash !== undefined && !isHash(first.hash, params.hash)) throw new LocalChainError('not_found', 'transaction hash mismatch');
  }
  const page = records.slice(Math.max(0, end - params.limit), end).reverse();
  return page.filter((record) => record.lt > (params.to_lt ?? 0n));
}

/** Clients write hashes in hex, in base64 and in base64url. */
function isHash(hash: Buffer, text: string): boolean {
  return text.toLowerCase() === hash.toString('hex') || Buffer.from(text, 'base64').equals(hash);
}

const estimateFeeParams = z.object({
  address,
  body: cell,
  init_code: optionalCell,
  init_data: optionalCell,
  ignore_chksig: z.union([z.boolean(), z.enum(['true', 'false']).transform((text) => text === 'true')]).default(true),
});

async function estimateFee(chain: LocalChain, params: z.output<typeof estimateFeeParams>) {
  const init = params.init_code === undefined ? undefined : { code: params.init_code, data: params.init_data };
  const message = external({ to: params.address, body: params.body, init });
  const transaction = await chain.simulate(beginCell().store(storeMessage(message)).endCell(), params.ignore_chksig);
  const { storage, gas, actions, forward } = feesOf(transaction);
  const fees = {
    '@type': 'fees',
    in_fwd_fee: Number(transaction.totalFees.coins - storage - gas - actions),
    storage_fee: Number(storage),
    gas_fee: Number(gas),
    fwd_fee: Number(forward),
  };
  return { '@type': 'query.fees', source_fees: fees, destination_fees: [] };
}

function feesOf({ description }: Transaction) {
  const phases = description.type === 'generic' ? description : undefined;
  return {
    storage: phases?.storagePhase?.storageFeesCollected ?? 0n,
    gas: phases?.computePhase.type === 'vm' ? phases.computePhase.gasFees : 0n,
    actions: phases?.actionPhase?.totalActionFees ?? 0n,
    forward: phases?.actionPhase?.totalFwdFees ?? 0n,
  };
}

function formatTransaction({ account, lt, hash, timeSec, boc }: TransactionRecord) {
  const transaction = loadTransaction(Cell.fromBase64(boc).beginParse());
  const { storage } = feesOf(transaction);
  const total = transaction.totalFees.coins;
  return {
    '@type': 'raw.transaction',
    address: { '@type': 'accountAddress', account_address: account.toString() },
    account: account.toRawString(),
    utime: timeSec,
    data: boc,
    transaction_id: transactionId(lt, hash),
    fee: total.toString(),
    storage_fee: storage.toString(),
    other_fee: (total - storage).toString(),
    in_msg: transaction.inMessage ? formatMessage(transaction.inMessage) : undefined,
    out_msgs: transaction.outMessages.values().map(formatMessage),
  };
}

function formatMessage(message: Message) {
  const { info } = message;
  const internal = info.type === 'internal' ? info : undefined;
  return {
    '@type': 'raw.message',
    hash: beginCell().store(storeMessage(message)).endCell().hash().toString('base64'),
    source: info.src?.toString() ?? '',
    destination: info.dest?.toString() ?? '',
    value: (internal?.value.coins ?? 0n).toString(),
    extra_currencies: [],
    fwd_fee: (internal?.forwardFee ?? 0n).toString(),
    ihr_fee: (internal?.ihrFee ?? 0n).toString(),
    created_lt: (internal?.createdLt ?? 0n).toString(),
    body_hash: message.body.hash().toString('base64'),
    msg_data: { '@type': 'msg.dataRaw', body: toBase64(message.body), init_state: '' },
    message: '',
  };
}

function transactionId(lt: bigint, hash: Buffer) {
  return { '@type': 'internal.transactionId', lt: lt.toString(), hash: hash.toString('base64') };
}

function configInfo(config: Cell) {
  return { '@type': 'configInfo', config: { '@type': 'tvm.cell', bytes: toBase64(config) } };
}

function toBase64(value: Cell | null | undefined): string {
  return value ? value.toBoc().toString('base64') : '';
}

/** A method's number: as given, or made from its name. Source: FunC's method_id, CRC-16/XMODEM of the name with bit 16 set. */
function methodId(name: string | number): number {
  if (typeof name === 'number' || /^-?\d+$/.test(name)) return Number(name);
  let crc = 0;
  for (const byte of Buffer.from(name)) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = ((crc << 1) ^ (crc & 0x8000 ? 0x1021 : 0)) & 0xffff;
  }
  return crc | 0x10000;
}
