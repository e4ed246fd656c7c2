/** What arrives of bytes that may have been damaged on the way: of what is not readable, nothing. */
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
