// Jest's reporter in a lane: writes down the first test that fails and ends the process there, or that all passed. With MUTATE_PATIENT
// it lets all tests run and names every one that fails.
const { writeFileSync } = require('node:fs');
const { basename } = require('node:path');

module.exports = class ReportFirstRed {
  constructor(_globalConfig, { to }) {
    this.to = to;
    this.reds = [];
  }

  onTestCaseResult(test, result) {
    if (result.status === 'failed') this.red(test, result.fullName, result.failureMessages.join('\n'));
  }

  /** A spec that could not be loaded, or failed outside its tests. */
  onTestFileResult(test, result) {
    if (result.failureMessage && result.numFailingTests === 0) this.red(test, 'the whole file', result.failureMessage);
  }

  onRunComplete(_contexts, { numPassedTests: passed }) {
    const [first] = this.reds;
    if (first !== undefined) {
      const names = this.reds.map(({ spec, test }) => `tests/${spec}: ${test}`);
      this.write({ ...first, message: [...names, first.message].join('\n') });
    } else if (passed > 0) {
      this.write({ kind: 'green', passed });
    }
  }

  red(test, name, message) {
    this.reds.push({ kind: 'red', spec: basename(test.path), test: name, message });
    if (process.env.MUTATE_PATIENT === '1') return;
    this.write(this.reds[0]);
    process.exit(1);
  }

  write(outcome) {
    writeFileSync(this.to, JSON.stringify(outcome));
  }
};
