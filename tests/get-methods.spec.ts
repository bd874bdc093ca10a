import { World } from './world';

test.each(['root', 'proxy', 'clientChannel', 'workerChannel'] as const)(
  'the %s contract has no other get-method than its own',
  async (contract) => {
    const world = await World.inUse();
    const asked = world.chain.runGetMethod(world[contract].address, 'get_nothing_at_all');
    await expect(asked).rejects.toMatchObject({ exitCode: NO_SUCH_METHOD });
  },
);

/** Tact's own for a method that is not there. */
const NO_SUCH_METHOD = 11;
