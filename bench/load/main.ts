/** The load generator: a process of its own. One JSON line with a job on stdin, one with its result on stdout. */
import type { Job } from './jobs.ts'
import { runFill, runRequests, runVerify } from './requests.ts'
import { runDownload, runList, runUpload } from './transfers.ts'

function run(job: Job): Promise<unknown> {
  switch (job.kind) {
    case 'requests':
      return runRequests(job)
    case 'fill':
      return runFill(job)
    case 'verify':
      return runVerify(job)
    case 'upload':
      return runUpload(job)
    case 'download':
      return runDownload(job)
    case 'list':
      return runList(job)
  }
}

console.log('ready')
for await (const line of console) {
  try {
    console.log(JSON.stringify({ result: await run(JSON.parse(line) as Job) }))
  } catch (error) {
    console.log(JSON.stringify({ error: error instanceof Error ? error.message : String(error) }))
  }
}
