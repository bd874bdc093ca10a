import type { Server } from 'node:http';
import { join } from 'node:path';
import { Cell } from '@ton/core';
import { Gauge } from 'prom-client';
import { z } from 'zod';
import { mainnetPrices } from '../../../wrappers/chain-config';
import { ConfigError } from '../../core/errors';
import { processConfigShape } from '../../runtime/config';
import { runProcess } from '../../runtime/lifecycle';
import { systemErrorCode } from '../../runtime/system-error';
import { LocalChain } from './chain';
import { createChainServer } from './http-server';
import { sandboxConfig } from './sandbox-config';

const ChainConfigSchema = z.strictObject({
  ...processConfigShape,
  host: z.string().default('127.0.0.1').describe('address to listen on; whoever reaches it can make coins and move time'),
  port: z.int().min(0).max(65535).default(10002).describe('port to listen on, 0 for any free one'),
  blockIntervalMs: z.int().min(10).default(1000).describe('pause between two empty blocks'),
});

runProcess({
  name: 'chain',
  config: ChainConfigSchema,
  start: async ({ config, log, metrics, fail }) => {
    const chain = await LocalChain.open({
      journalPath: join(config.stateFolder, 'journal'),
      config: mainnetPrices(Cell.fromBase64(sandboxConfig)),
      onFatal: fail,
    });
    new Gauge({
      name: 'cocoon_chain_height_blocks',
      help: 'blocks since genesis',
      registers: [metrics],
      collect() {
        this.set(chain.lastBlock.seqno);
      },
    });
    const server = createChainServer(chain, (error) => log.error({ err: error }, 'call failed'));
    const port = await listen(server, config.host, config.port);
    let timer: NodeJS.Timeout | undefined;
    /** The pause begins when the block is there: a chain that is busy makes blocks anyway. */
    const tick = () => {
      timer = setTimeout(() => chain.mine(1).then(tick, fail), config.blockIntervalMs);
    };
    tick();
    return {
      details: { port, endpoint: `http://${config.host}:${port}/api/v2/jsonRPC`, seqno: chain.lastBlock.seqno },
      stop: async () => {
        clearTimeout(timer);
        await close(server);
        await chain.close();
      },
    };
  },
});

function listen(server: Server, host: string, port: number): Promise<number> {
  return new Promise((done, fail) => {
    server.once('error', (error) => {
      const reason = systemErrorCode(error) === 'EADDRINUSE' ? 'is in use' : `cannot be opened (${systemErrorCode(error)})`;
      fail(new ConfigError('port_unusable', `port ${port} on ${host} ${reason}`, { host, port }, { cause: error }));
    });
    server.listen(port, host, () => {
      const address = server.address();
      done(typeof address === 'object' && address !== null ? address.port : port);
    });
  });
}

function close(server: Server): Promise<void> {
  return new Promise((done) => {
    server.close(() => done());
    server.closeAllConnections();
  });
}
