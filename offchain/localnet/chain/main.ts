import type { Server } from 'node:http';
import { join } from 'node:path';
import { Cell } from '@ton/core';
import { Gauge } from 'prom-client';
import { mainnetPrices } from '../../../wrappers/chain-config';
import { ConfigError } from '../../core/errors';
import { runProcess } from '../../runtime/lifecycle';
import { systemErrorCode } from '../../runtime/system-error';
import { LocalChain } from './chain';
import { ChainConfigSchema } from './config';
import { createChainServer } from './http-server';
import { sandboxConfig } from './sandbox-config';

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
