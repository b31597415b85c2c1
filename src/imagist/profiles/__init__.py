"""What accounts post about, from the calibrated probabilities of their posts: shares with honest intervals.

    from imagist import profiles

    posts = profiles.read_classified(["posts.csv"])  # a table of `imagist classify` with a column of accounts
    for profile in profiles.profile(posts):
        print(profile.account, profile.leading, profile.leading_probability)

An account is described by what its posts show, and by nothing else: see ``docs/profiles.md``.
"""

from imagist.profiles.posts import Posts
from imagist.profiles.profile import Profile, profile
from imagist.profiles.reading import read_classified
from imagist.profiles.records import account_record, post_records
from imagist.profiles.shares import Settings

__all__ = ["Posts", "Profile", "Settings", "account_record", "post_records", "profile", "read_classified"]
