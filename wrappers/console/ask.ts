import type { UIProvider } from '@ton/blueprint';
import { Refusal } from './refusal';

/** Takes what a script needs from its arguments, one after the other, and asks for what is missing. */
export class Ask {
  private readonly rest: string[];

  constructor(
    private readonly ui: UIProvider,
    args: readonly string[],
  ) {
    this.rest = [...args];
  }

  /**
   * A value by its parser. What is typed wrong is asked again; what is wrong in an argument ends the script.
   *
   * @param fallback what an empty answer means
   * @throws Refusal for an argument that the parser refuses
   */
  async value<T>(question: string, parse: (text: string) => T, fallback?: string): Promise<T> {
    const argument = this.rest.shift();
    if (argument !== undefined) return inWords(question, () => parse(argument));
    for (;;) {
      const text = (await this.ui.input(fallback === undefined ? question : `${question} (default: ${fallback})`)).trim();
      try {
        return parse(text === '' && fallback !== undefined ? fallback : text);
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        this.ui.write(error.message);
      }
    }
  }

  /** One of a few words. @throws Refusal for an argument that is none of them */
  async choice<T extends string>(question: string, choices: readonly T[]): Promise<T> {
    const argument = this.rest.shift();
    if (argument === undefined) return this.ui.choose(question, [...choices], (choice) => choice);
    const found = choices.find((choice) => choice === argument);
    if (found === undefined) throw new Refusal(`${question}: '${argument}' is none of ${choices.join(', ')}`);
    return found;
  }

  /** @throws Refusal when there are more arguments than the script takes */
  done(): void {
    if (this.rest.length > 0) throw new Refusal(`unexpected argument '${this.rest.join(' ')}'`);
  }
}

function inWords<T>(question: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw error instanceof Refusal ? new Refusal(`${question}: ${error.message}`) : error;
  }
}
