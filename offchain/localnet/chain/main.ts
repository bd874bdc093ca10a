import { join } from 'node:path';
import { Cell } from '@ton/core';
import { Gauge } from 'prom-client';
import { mainnetPrices } from '../../../wrappers/chain-config';
import { runProcess } from '../../runtime/lifecycle';
import { closeServer, listenOn } from '../listen';
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
    // Clients tell the time by the last block: after a pause their messages would have expired before they left.
    if (chain.nowSec > chain.lastBlock.timeSec) await chain.mine(1);
    new Gauge({
      name: 'cocoon_chain_height_blocks',
      help: 'blocks since genesis',
      registers: [metrics],
      collect() {
        this.set(chain.lastBlock.seqno);
      },
    });
    const server = createChainServer(chain, (error) => log.error({ err: error }, 'call failed'));
    const port = await listenOn(server, config.host, config.port);
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
        await closeServer(server);
        await chain.close();
      },
    };
  },
});
