/** The suite as a process: the configuration is the argument, the outcomes are the output. */
import { runSuite } from './run.ts'
import type { Config } from './world.ts'

const outcomes = await runSuite(JSON.parse(process.argv[2]!) as Config)
process.stdout.write(JSON.stringify(outcomes))
