/** The expected lines of `shipper-phases.test.ts`, by phase and event. */
interface Phase {
  readonly shows: string
  readonly lines: Readonly<Record<string, string>>
}

export const phases: Readonly<Record<string, Phase>> = {
  'never connected': {
    shows: 'away with null, lacks 5, wakes at 0, needs the mirror does not answer as expected',
    lines: {
      'the next cp is published': ' ➜  ➜ away with null, lacks 6',
      'no place for a member': ' ➜  ➜ stalled with null, lacks 5, needs no place',
      'a moment passes': 'connect ➜ hello ➜ wakes at 60007',
      'almost a heartbeat passes': 'connect ➜ hello ➜ wakes at 60999',
      'a heartbeat passes': 'connect ➜ hello ➜ wakes at 61000',
      'the time of a trouble passes almost': 'connect ➜ hello ➜ wakes at 69999',
      'the time of a trouble passes': 'connect ➜ hello ➜ wakes at 70000',
      'the longest silence passes almost': 'connect ➜ hello ➜ wakes at 119999',
      'the longest silence passes': 'connect ➜ hello ➜ wakes at 120000',
    },
  },
  'waiting for the next try': {
    shows: 'away with null, lacks 5, wakes at 57, needs the mirror does not answer as expected',
    lines: {
      'the next cp is published': ' ➜  ➜ away with null, lacks 6',
      'no place for a member': ' ➜  ➜ stalled with null, lacks 5, needs no place',
      'almost a heartbeat passes': 'connect ➜ hello ➜ wakes at 60999',
      'a heartbeat passes': 'connect ➜ hello ➜ wakes at 61000',
      'the time of a trouble passes almost': 'connect ➜ hello ➜ wakes at 69999',
      'the time of a trouble passes': 'connect ➜ hello ➜ wakes at 70000',
      'the longest silence passes almost': 'connect ➜ hello ➜ wakes at 119999',
      'the longest silence passes': 'connect ➜ hello ➜ wakes at 120000',
    },
  },
  greeting: {
    shows: 'away with null, lacks 5, wakes at 60000, needs the mirror does not answer as expected',
    lines: {
      'the next cp is published': ' ➜  ➜ away with null, lacks 6',
      'a batch is received': ' ➜  ➜ wakes at 60007',
      'the connection fails': 'unreached: broken, stop-sending, disconnect ➜  ➜ wakes at 64',
      'no place for a member':
        'stop-sending, disconnect ➜  ➜ stalled with null, lacks 5, wakes at 10007, needs no place',
      'the longest silence passes':
        'unreached: it does not answer, stop-sending, disconnect ➜  ➜ wakes at 60057',
      'it answers the hello': 'hold 5, mirrored ➜  ➜ live with 5, lacks 0, wakes at 1007, needs nothing',
      'another one answers the hello':
        'stop-sending, disconnect ➜  ➜ stalled with null, lacks 5, wakes at 10007, needs another mirror ',
      'it reports the same': ' ➜  ➜ wakes at 60007',
      'it reports of earlier offers': ' ➜  ➜ wakes at 60007',
      'it reports the newest cp': ' ➜  ➜ wakes at 60007',
      'it lacks space': ' ➜  ➜ wakes at 60007',
      'it lacked space before this target': ' ➜  ➜ wakes at 60007',
      'it lacks a device': ' ➜  ➜ wakes at 60007',
      'it lacks sound blocks': ' ➜  ➜ wakes at 60007',
      'it retains too many roots': ' ➜  ➜ wakes at 60007',
      'it wants blocks': ' ➜  ➜ wakes at 60007',
      'it wants blocks of another cp': ' ➜  ➜ wakes at 60007',
      'another volume reports': ' ➜  ➜ wakes at 60007',
      'a frame of a primary comes': ' ➜  ➜ wakes at 60007',
      'an error: the session is unknown':
        'unreached: it says unknown-session, stop-sending, disconnect ➜  ➜ wakes at 64',
      'an error: the device has failed':
        'stop-sending, disconnect ➜  ➜ stalled with null, lacks 5, wakes at 10007, needs it says device-failed',
      'an error: the epoch is older':
        'met-higher-epoch, stop-sending, disconnect ➜  ➜ stalled with null, lacks 5, wakes at 10007, needs it says older-epoch',
      'an error: the epoch is older, of another volume':
        'stop-sending, disconnect ➜  ➜ stalled with null, lacks 5, wakes at 10007, needs it says older-epoch',
      'an error: the epoch is another one':
        'stop-sending, disconnect ➜  ➜ stalled with null, lacks 5, wakes at 10007, needs it says another-epoch',
      'an error: the root is bad':
        'stop-sending ➜  ➜ stalled with null, lacks 5, wakes at 60007, needs it says bad-root',
      'an error: the base is wrong': ' ➜ poll no-common-cp ➜ wakes at 60007',
      'an error: a block is in use': ' ➜  ➜ wakes at 60007',
    },
  },
  'answered, not yet a member': {
    shows: 'catching-up with null, lacks 5, wakes at 1000, needs nothing',
    lines: {
      'the next cp is published': ' ➜  ➜ catching-up with null, lacks 6',
      'the connection fails':
        'unreached: broken, stop-sending, disconnect ➜  ➜ away with null, lacks 5, wakes at 64, needs broken',
      'made a member': 'hold 5, mirrored ➜  ➜ live with 5, lacks 0',
      'no place for a member':
        'stop-sending, disconnect ➜  ➜ stalled with null, lacks 5, wakes at 10007, needs no place',
      'a heartbeat passes': ' ➜ poll no-common-cp ➜ wakes at 2000',
      'the time of a trouble passes almost': ' ➜ poll no-common-cp ➜ wakes at 10999',
      'the time of a trouble passes': ' ➜ poll no-common-cp ➜ wakes at 11000',
      'the longest silence passes almost': ' ➜ poll no-common-cp ➜ wakes at 60000',
      'the longest silence passes':
        'unreached: it does not answer, stop-sending, disconnect ➜  ➜ away with null, lacks 5, wakes at 60057, needs it does not answer',
      'an error: the session is unknown':
        'unreached: it says unknown-session, stop-sending, disconnect ➜  ➜ away with null, lacks 5, wakes at 64, needs it says unknown-session',
      'an error: the device has failed':
        'stop-sending, disconnect ➜  ➜ stalled with null, lacks 5, wakes at 10007, needs it says device-failed',
      'an error: the epoch is older':
        'met-higher-epoch, stop-sending, disconnect ➜  ➜ stalled with null, lacks 5, wakes at 10007, needs it says older-epoch',
      'an error: the epoch is older, of another volume':
        'stop-sending, disconnect ➜  ➜ stalled with null, lacks 5, wakes at 10007, needs it says older-epoch',
      'an error: the epoch is another one':
        'stop-sending, disconnect ➜  ➜ stalled with null, lacks 5, wakes at 10007, needs it says another-epoch',
      'an error: the root is bad': 'stop-sending ➜  ➜ stalled with null, lacks 5, needs it says bad-root',
      'an error: the base is wrong': ' ➜ poll no-common-cp ➜ ',
    },
  },
  'up to date': {
    shows: 'live with 5, lacks 0, wakes at 1000, needs nothing',
    lines: {
      'commands leave': ' ➜ live blocks of 6 ➜ ',
      'the next cp is published':
        'hold 5+6, send-difference 5→6 from 0 ➜ offer 1 of 6, 1 blocks ➜ live with 5, lacks 1',
      'the connection fails':
        'unreached: broken, stop-sending, disconnect ➜  ➜ away with 5, lacks 0, wakes at 64, needs broken',
      'no place for a member':
        'stop-sending, disconnect ➜  ➜ stalled with 5, lacks 0, wakes at 10007, needs no place',
      'space is short': ' ➜ poll space-short ➜ ',
      'a heartbeat passes': ' ➜ poll nothing ➜ wakes at 2000',
      'the time of a trouble passes almost': ' ➜ poll nothing ➜ wakes at 10999',
      'the time of a trouble passes': ' ➜ poll nothing ➜ wakes at 11000',
      'the longest silence passes almost': ' ➜ poll nothing ➜ wakes at 60000',
      'the longest silence passes':
        'unreached: it does not answer, stop-sending, disconnect ➜  ➜ away with 5, lacks 0, wakes at 60057, needs it does not answer',
      'it reports the same': 'hold 5 ➜  ➜ ',
      'it reports of earlier offers': 'hold 5 ➜  ➜ ',
      'it reports the newest cp': 'hold 5 ➜  ➜ ',
      'it lacks space': 'hold 5, stop-sending ➜  ➜ stalled with 5, lacks 0, needs 8192 bytes of space',
      'it lacked space before this target':
        'hold 5, stop-sending ➜  ➜ stalled with 5, lacks 0, needs 8192 bytes of space',
      'it lacks a device': 'hold 5 ➜  ➜ stalled with 5, lacks 0, needs another device',
      'it lacks sound blocks': 'hold 5 ➜  ➜ ',
      'it retains too many roots':
        'stop-sending, disconnect ➜  ➜ stalled with 5, lacks 0, wakes at 10007, needs it retains too many roots',
      'an error: the session is unknown':
        'unreached: it says unknown-session, stop-sending, disconnect ➜  ➜ away with 5, lacks 0, wakes at 64, needs it says unknown-session',
      'an error: the device has failed':
        'stop-sending, disconnect ➜  ➜ stalled with 5, lacks 0, wakes at 10007, needs it says device-failed',
      'an error: the epoch is older':
        'met-higher-epoch, stop-sending, disconnect ➜  ➜ stalled with 5, lacks 0, wakes at 10007, needs it says older-epoch',
      'an error: the epoch is older, of another volume':
        'stop-sending, disconnect ➜  ➜ stalled with 5, lacks 0, wakes at 10007, needs it says older-epoch',
      'an error: the epoch is another one':
        'stop-sending, disconnect ➜  ➜ stalled with 5, lacks 0, wakes at 10007, needs it says another-epoch',
      'an error: the root is bad': 'stop-sending ➜  ➜ stalled with 5, lacks 0, needs it says bad-root',
      'an error: the base is wrong': ' ➜ poll nothing ➜ ',
    },
  },
  sending: {
    shows: 'live with 5, lacks 2, wakes at 1000, needs nothing',
    lines: {
      'commands leave': ' ➜ live blocks of 8 ➜ ',
      'the next cp is published': ' ➜  ➜ catching-up with 5, lacks 3',
      'the connection fails':
        'unreached: broken, stop-sending, disconnect ➜  ➜ away with 5, lacks 2, wakes at 64, needs broken',
      'the difference is read': 'hold 5+7 ➜ offer 2 of 7 ➜ ',
      'a block is unavailable': 'stop-sending ➜  ➜ stalled with 5, lacks 2, needs rotten',
      'no place for a member':
        'stop-sending, disconnect ➜  ➜ stalled with 5, lacks 2, wakes at 10007, needs no place',
      'space is short': ' ➜ poll space-short ➜ ',
      'a heartbeat passes': ' ➜ poll nothing ➜ wakes at 2000',
      'the time of a trouble passes almost': ' ➜ poll nothing ➜ wakes at 10999',
      'the time of a trouble passes': ' ➜ poll nothing ➜ wakes at 11000',
      'the longest silence passes almost': ' ➜ poll nothing ➜ wakes at 60000',
      'the longest silence passes':
        'unreached: it does not answer, stop-sending, disconnect ➜  ➜ away with 5, lacks 2, wakes at 60057, needs it does not answer',
      'it reports the same': 'hold 5+7 ➜  ➜ ',
      'it reports of earlier offers': 'hold 5+7 ➜  ➜ ',
      'it reports the newest cp': 'hold 7, stop-sending, mirrored ➜  ➜ live with 7, lacks 0',
      'it lacks space': 'hold 5, stop-sending ➜  ➜ stalled with 5, lacks 2, needs 8192 bytes of space',
      'it lacked space before this target': 'hold 5+7 ➜  ➜ ',
      'it lacks a device': 'hold 5+7 ➜  ➜ stalled with 5, lacks 2, needs another device',
      'it lacks sound blocks':
        'hold 5, stop-sending ➜  ➜ stalled with 5, lacks 2, needs blocks of it arrive damaged again and again',
      'it retains too many roots':
        'stop-sending, disconnect ➜  ➜ stalled with 5, lacks 2, wakes at 10007, needs it retains too many roots',
      'an error: the session is unknown':
        'unreached: it says unknown-session, stop-sending, disconnect ➜  ➜ away with 5, lacks 2, wakes at 64, needs it says unknown-session',
      'an error: the device has failed':
        'stop-sending, disconnect ➜  ➜ stalled with 5, lacks 2, wakes at 10007, needs it says device-failed',
      'an error: the epoch is older':
        'met-higher-epoch, stop-sending, disconnect ➜  ➜ stalled with 5, lacks 2, wakes at 10007, needs it says older-epoch',
      'an error: the epoch is older, of another volume':
        'stop-sending, disconnect ➜  ➜ stalled with 5, lacks 2, wakes at 10007, needs it says older-epoch',
      'an error: the epoch is another one':
        'stop-sending, disconnect ➜  ➜ stalled with 5, lacks 2, wakes at 10007, needs it says another-epoch',
      'an error: the root is bad': 'stop-sending ➜  ➜ stalled with 5, lacks 2, needs it says bad-root',
      'an error: the base is wrong': ' ➜ poll nothing ➜ ',
    },
  },
  offered: {
    shows: 'live with 5, lacks 2, wakes at 1000, needs nothing',
    lines: {
      'commands leave': ' ➜ live blocks of 8 ➜ ',
      'the next cp is published': ' ➜  ➜ catching-up with 5, lacks 3',
      'the connection fails':
        'unreached: broken, stop-sending, disconnect ➜  ➜ away with 5, lacks 2, wakes at 64, needs broken',
      'a block is unavailable': 'stop-sending ➜  ➜ stalled with 5, lacks 2, needs rotten',
      'no place for a member':
        'stop-sending, disconnect ➜  ➜ stalled with 5, lacks 2, wakes at 10007, needs no place',
      'space is short': ' ➜ poll space-short ➜ ',
      'a heartbeat passes': ' ➜ poll nothing ➜ wakes at 2000',
      'the time of a trouble passes almost': 'hold 5+7 ➜ poll nothing, offer 3 of 7 ➜ wakes at 10999',
      'the time of a trouble passes': 'hold 5+7 ➜ poll nothing, offer 3 of 7 ➜ wakes at 11000',
      'the longest silence passes almost': 'hold 5+7 ➜ poll nothing, offer 3 of 7 ➜ wakes at 60000',
      'the longest silence passes':
        'unreached: it does not answer, stop-sending, disconnect ➜  ➜ away with 5, lacks 2, wakes at 60057, needs it does not answer',
      'it reports the same': 'hold 5+7 ➜  ➜ ',
      'it reports of earlier offers': 'hold 5+7 ➜  ➜ ',
      'it reports the newest cp': 'hold 7, stop-sending, mirrored ➜  ➜ live with 7, lacks 0',
      'it lacks space': 'hold 5, stop-sending ➜  ➜ stalled with 5, lacks 2, needs 8192 bytes of space',
      'it lacked space before this target': 'hold 5+7 ➜  ➜ ',
      'it lacks a device': 'hold 5+7 ➜  ➜ stalled with 5, lacks 2, needs another device',
      'it lacks sound blocks':
        'hold 5, stop-sending ➜  ➜ stalled with 5, lacks 2, needs blocks of it arrive damaged again and again',
      'it retains too many roots':
        'stop-sending, disconnect ➜  ➜ stalled with 5, lacks 2, wakes at 10007, needs it retains too many roots',
      'it wants blocks': 'send-wanted 5→7 ➜  ➜ ',
      'an error: the session is unknown':
        'unreached: it says unknown-session, stop-sending, disconnect ➜  ➜ away with 5, lacks 2, wakes at 64, needs it says unknown-session',
      'an error: the device has failed':
        'stop-sending, disconnect ➜  ➜ stalled with 5, lacks 2, wakes at 10007, needs it says device-failed',
      'an error: the epoch is older':
        'met-higher-epoch, stop-sending, disconnect ➜  ➜ stalled with 5, lacks 2, wakes at 10007, needs it says older-epoch',
      'an error: the epoch is older, of another volume':
        'stop-sending, disconnect ➜  ➜ stalled with 5, lacks 2, wakes at 10007, needs it says older-epoch',
      'an error: the epoch is another one':
        'stop-sending, disconnect ➜  ➜ stalled with 5, lacks 2, wakes at 10007, needs it says another-epoch',
      'an error: the root is bad': 'stop-sending ➜  ➜ stalled with 5, lacks 2, needs it says bad-root',
      'an error: the base is wrong': ' ➜ poll nothing ➜ ',
    },
  },
  'short of space': {
    shows: 'stalled with 5, lacks 2, wakes at 1000, needs 4096 bytes of space',
    lines: {
      'the next cp is published': ' ➜  ➜ stalled with 5, lacks 3',
      'the connection fails':
        'unreached: broken, stop-sending, disconnect ➜  ➜ away with 5, lacks 2, wakes at 64, needs broken',
      'no place for a member': 'stop-sending, disconnect ➜  ➜ wakes at 10007, needs no place',
      'space is short': ' ➜ poll space-short ➜ ',
      'a heartbeat passes': ' ➜ poll nothing ➜ wakes at 2000',
      'the time of a trouble passes almost': ' ➜ poll nothing ➜ wakes at 10999',
      'the time of a trouble passes':
        'hold 5+7 ➜ poll nothing, offer 2 of 7, 2 blocks ➜ live with 5, lacks 2, wakes at 11000, needs nothing',
      'the longest silence passes almost':
        'hold 5+7 ➜ poll nothing, offer 2 of 7, 2 blocks ➜ live with 5, lacks 2, wakes at 60000, needs nothing',
      'the longest silence passes':
        'unreached: it does not answer, stop-sending, disconnect ➜  ➜ away with 5, lacks 2, wakes at 60057, needs it does not answer',
      'it reports the same': 'hold 5 ➜  ➜ ',
      'it reports of earlier offers': 'hold 5 ➜  ➜ ',
      'it reports the newest cp': 'hold 7, mirrored ➜  ➜ stalled with 7, lacks 0',
      'it lacks space': 'hold 5, stop-sending ➜  ➜ needs 8192 bytes of space',
      'it lacked space before this target': 'hold 5, stop-sending ➜  ➜ needs 8192 bytes of space',
      'it lacks a device': 'hold 5 ➜  ➜ needs another device',
      'it lacks sound blocks': 'hold 5 ➜  ➜ ',
      'it retains too many roots':
        'stop-sending, disconnect ➜  ➜ wakes at 10007, needs it retains too many roots',
      'an error: the session is unknown':
        'unreached: it says unknown-session, stop-sending, disconnect ➜  ➜ away with 5, lacks 2, wakes at 64, needs it says unknown-session',
      'an error: the device has failed':
        'stop-sending, disconnect ➜  ➜ wakes at 10007, needs it says device-failed',
      'an error: the epoch is older':
        'met-higher-epoch, stop-sending, disconnect ➜  ➜ wakes at 10007, needs it says older-epoch',
      'an error: the epoch is older, of another volume':
        'stop-sending, disconnect ➜  ➜ wakes at 10007, needs it says older-epoch',
      'an error: the epoch is another one':
        'stop-sending, disconnect ➜  ➜ wakes at 10007, needs it says another-epoch',
      'an error: the root is bad': 'stop-sending ➜  ➜ needs it says bad-root',
      'an error: the base is wrong': ' ➜ poll nothing ➜ ',
    },
  },
  asked: {
    shows: 'live with 5, lacks 2, wakes at 11000, needs nothing',
    lines: {
      'commands leave': ' ➜ live blocks of 8 ➜ ',
      'the next cp is published': ' ➜  ➜ catching-up with 5, lacks 3',
      'the connection fails':
        'unreached: broken, stop-sending, disconnect ➜  ➜ away with 5, lacks 2, wakes at 10064, needs broken',
      'a block is unavailable': 'stop-sending ➜  ➜ stalled with 5, lacks 2, needs rotten',
      'no place for a member':
        'stop-sending, disconnect ➜  ➜ stalled with 5, lacks 2, wakes at 20007, needs no place',
      'space is short': ' ➜ poll space-short ➜ ',
      'a heartbeat passes': ' ➜ poll nothing ➜ wakes at 12000',
      'the time of a trouble passes almost':
        'hold 5+7 ➜ poll nothing, offer 3 of 7, 2 blocks ➜ wakes at 20999',
      'the time of a trouble passes': 'hold 5+7 ➜ poll nothing, offer 3 of 7, 2 blocks ➜ wakes at 21000',
      'the longest silence passes almost':
        'unreached: it does not answer, stop-sending, disconnect ➜  ➜ away with 5, lacks 2, wakes at 70056, needs it does not answer',
      'the longest silence passes':
        'unreached: it does not answer, stop-sending, disconnect ➜  ➜ away with 5, lacks 2, wakes at 70057, needs it does not answer',
      'it reports the same': 'hold 5+7, send-difference 5→7 from 0 ➜  ➜ ',
      'it reports of earlier offers': 'hold 5+7 ➜  ➜ ',
      'it reports the newest cp': 'hold 7, stop-sending, mirrored ➜  ➜ live with 7, lacks 0',
      'it lacks space': 'hold 5, stop-sending ➜  ➜ stalled with 5, lacks 2, needs 8192 bytes of space',
      'it lacked space before this target': 'hold 5+7 ➜  ➜ ',
      'it lacks a device': 'hold 5+7 ➜  ➜ stalled with 5, lacks 2, needs another device',
      'it lacks sound blocks':
        'hold 5, stop-sending ➜  ➜ stalled with 5, lacks 2, needs blocks of it arrive damaged again and again',
      'it retains too many roots':
        'stop-sending, disconnect ➜  ➜ stalled with 5, lacks 2, wakes at 20007, needs it retains too many roots',
      'an error: the session is unknown':
        'unreached: it says unknown-session, stop-sending, disconnect ➜  ➜ away with 5, lacks 2, wakes at 10064, needs it says unknown-session',
      'an error: the device has failed':
        'stop-sending, disconnect ➜  ➜ stalled with 5, lacks 2, wakes at 20007, needs it says device-failed',
      'an error: the epoch is older':
        'met-higher-epoch, stop-sending, disconnect ➜  ➜ stalled with 5, lacks 2, wakes at 20007, needs it says older-epoch',
      'an error: the epoch is older, of another volume':
        'stop-sending, disconnect ➜  ➜ stalled with 5, lacks 2, wakes at 20007, needs it says older-epoch',
      'an error: the epoch is another one':
        'stop-sending, disconnect ➜  ➜ stalled with 5, lacks 2, wakes at 20007, needs it says another-epoch',
      'an error: the root is bad': 'stop-sending ➜  ➜ stalled with 5, lacks 2, needs it says bad-root',
      'an error: the base is wrong': ' ➜ poll nothing ➜ ',
    },
  },
  'without a common cp': {
    shows: 'stalled with null, lacks 7, wakes at 1000, needs no common consistency point',
    lines: {
      'the next cp is published': ' ➜  ➜ stalled with null, lacks 8',
      'the connection fails':
        'unreached: broken, stop-sending, disconnect ➜  ➜ away with null, lacks 7, wakes at 64, needs broken',
      'no place for a member': 'stop-sending, disconnect ➜  ➜ wakes at 10007, needs no place',
      'space is short': ' ➜ poll space-short ➜ ',
      'a heartbeat passes': ' ➜ poll no-common-cp ➜ wakes at 2000',
      'the time of a trouble passes almost': ' ➜ poll no-common-cp ➜ wakes at 10999',
      'the time of a trouble passes':
        ' ➜ poll no-common-cp ➜ catching-up with null, lacks 7, wakes at 11000, needs nothing',
      'the longest silence passes almost':
        ' ➜ poll no-common-cp ➜ catching-up with null, lacks 7, wakes at 60000, needs nothing',
      'the longest silence passes':
        'unreached: it does not answer, stop-sending, disconnect ➜  ➜ away with null, lacks 7, wakes at 60057, needs it does not answer',
      'it reports the same': 'hold , stop-sending ➜  ➜ ',
      'it reports of earlier offers': 'hold , stop-sending ➜  ➜ ',
      'it reports the newest cp': 'hold 7, mirrored ➜  ➜ stalled with 7, lacks 0',
      'it lacks space': 'hold , stop-sending ➜  ➜ ',
      'it lacked space before this target': 'hold , stop-sending ➜  ➜ ',
      'it lacks a device': 'hold , stop-sending ➜  ➜ ',
      'it lacks sound blocks': 'hold , stop-sending ➜  ➜ ',
      'it retains too many roots':
        'stop-sending, disconnect ➜  ➜ wakes at 10007, needs it retains too many roots',
      'an error: the session is unknown':
        'unreached: it says unknown-session, stop-sending, disconnect ➜  ➜ away with null, lacks 7, wakes at 64, needs it says unknown-session',
      'an error: the device has failed':
        'stop-sending, disconnect ➜  ➜ wakes at 10007, needs it says device-failed',
      'an error: the epoch is older':
        'met-higher-epoch, stop-sending, disconnect ➜  ➜ wakes at 10007, needs it says older-epoch',
      'an error: the epoch is older, of another volume':
        'stop-sending, disconnect ➜  ➜ wakes at 10007, needs it says older-epoch',
      'an error: the epoch is another one':
        'stop-sending, disconnect ➜  ➜ wakes at 10007, needs it says another-epoch',
      'an error: the root is bad': 'stop-sending ➜  ➜ needs it says bad-root',
      'an error: the base is wrong': ' ➜ poll no-common-cp ➜ ',
    },
  },
  refused: {
    shows: 'stalled with 5, lacks 0, wakes at 10000, needs no place',
    lines: {
      'the next cp is published': ' ➜  ➜ stalled with 5, lacks 1',
      'the time of a trouble passes': 'connect ➜ hello ➜ wakes at 70000',
      'the longest silence passes almost': 'connect ➜ hello ➜ wakes at 119999',
      'the longest silence passes': 'connect ➜ hello ➜ wakes at 120000',
    },
  },
}
