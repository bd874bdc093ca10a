// The library: a channel of its own, one streamed answer, what it cost. See docs/build-an-app.md.
//   node docs/examples/ask.mjs network.json owner.seed OWNER "What is Cocoon?"
import OpenAI from 'openai';
import { openCocoonClient } from '../../dist/offchain/client/cocoon-client.js';

const [network, ownerKeyFile, owner, question] = process.argv.slice(2);
const cocoon = await openCocoonClient({ stateFolder: '.cocoon/my-app', network, owner, ownerKeyFile });
try {
  await cocoon.openChannel();
  cocoon.onAnswer(({ costNano, simulated, modelProven }) => {
    const marks = [simulated ? 'SIMULATED' : '', modelProven ? '' : 'MODEL NOT PROVEN'].filter(Boolean);
    console.log(`\n${costNano} nanoTON ${marks.join(', ')}`);
  });

  const [model] = await cocoon.models();
  if (model === undefined) throw new Error('no guest passes verification now');
  const openai = new OpenAI({ fetch: cocoon.fetch, apiKey: 'unused', baseURL: 'http://cocoon/v1' });
  const messages = [{ role: 'user', content: question }];
  for await (const part of await openai.chat.completions.create({ model: model.id, messages, stream: true })) {
    process.stdout.write(part.choices[0]?.delta?.content ?? '');
  }
} finally {
  await cocoon.close();
}
