import { runCommand } from './run-command';

describe('runCommand', () => {
  it('gives the output and the exit code of a program', async () => {
    const program = 'console.log(process.env.LC_ALL); console.error("words"); process.exitCode = 3';
    expect(await runCommand(process.execPath, ['-e', program])).toEqual({ code: 3, stdout: 'C\n', stderr: 'words\n' });
    expect(await runCommand(process.execPath, ['-e', ''])).toMatchObject({ code: 0 });
  });

  it('passes arguments as they are, without a shell', async () => {
    const outcome = await runCommand(process.execPath, ['-e', 'console.log(process.argv[1])', '$HOME; id']);
    expect(outcome?.stdout).toBe('$HOME; id\n');
  });

  it('gives null for a program that is not there, and no code for one that was killed', async () => {
    expect(await runCommand('/no/such/program', [])).toBeNull();
    expect(await runCommand(process.execPath, ['-e', 'process.kill(process.pid, "SIGKILL")'])).toMatchObject({ code: null });
  });
});
