/** What arrives of bytes that may have been damaged on the way: of what is not readable, nothing. */
import { frameHeadBytes, frameLengths } from '../../src/format/wire/frames.ts'
import { hasCode } from '../../src/lib/errors.ts'
import { FrameStream, type ReceivedFrame } from '../../src/replica/link/frame-stream.ts'

export function decodedFrames(bytes: Uint8Array): readonly ReceivedFrame[] {
  try {
    return [...new FrameStream().push(bytes)]
  } catch (error) {
    if (hasCode(error, 'corrupt')) return []
    throw error
  }
}

/** One behind the other; what a cut leaves of the last one is of no use to anybody. */
export function wholeFrames(bytes: Uint8Array): Uint8Array[] {
  const frames: Uint8Array[] = []
  let at = 0
  while (at + frameHeadBytes <= bytes.length) {
    const { body, data } = frameLengths(bytes.subarray(at, at + frameHeadBytes))
    const end = at + frameHeadBytes + body + data
    if (end > bytes.length) break
    frames.push(bytes.subarray(at, end))
    at = end
  }
  return frames
}
