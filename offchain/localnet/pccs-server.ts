/** The PCCS of the local network: SIMULATED collateral under its development root, always up to date. */
import { createServer } from 'node:http';
import { openDevelopmentAuthority } from '../attestation/platform/development-authority';
import { issueCollateral } from '../attestation/platform/development-collateral';
import { answerPccs } from '../attestation/platform/pccs';
import { SIMULATED_PLATFORM } from '../attestation/platform/platform-certificate';
import { closeServer, listenOn } from './listen';

export interface PccsServer {
  readonly url: string;
  close(): Promise<void>;
}

/** Collateral is issued a while ago, so that nobody whose clock is a little behind takes it for tomorrow's. */
const ISSUED_BEFORE_SEC = 3600;
const HOST = '127.0.0.1';

/**
 * Serves the collateral of the development root in `folder`, issued by the time that `nowSec` tells, unix seconds.
 * @throws ConfigError bad_development_root, port_unusable
 */
export async function servePccs(folder: string, port: number, nowSec: () => Promise<number>): Promise<PccsServer> {
  const authority = await openDevelopmentAuthority(folder);
  const server = createServer((request, response) => {
    const answer = async () => {
      if (request.method !== 'GET') return response.writeHead(405).end();
      const collateral = issueCollateral(authority, { nowSec: (await nowSec()) - ISSUED_BEFORE_SEC });
      const { status, headers, body } = answerPccs(request.url ?? '/', { fmspc: SIMULATED_PLATFORM.fmspc, collateral: () => collateral });
      return response.writeHead(status, headers).end(body);
    };
    // Without the chain's time there is nothing to hand out.
    answer().catch(() => response.writeHead(503).end());
  });
  const taken = await listenOn(server, HOST, port);
  return {
    url: `http://${HOST}:${taken}`,
    close: () => closeServer(server),
  };
}
