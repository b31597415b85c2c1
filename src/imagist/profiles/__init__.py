"""What accounts post about, from the calibrated probabilities of their posts: shares with honest intervals.

    import imagist
    from imagist import profiles

    posts = profiles.read_images(imagist.load(), ["posts/"])  # a folder an account, or tables
    posts = profiles.read_classified(["posts.csv"])  # what `imagist classify` wrote; no image is needed
    for profile in profiles.profile(posts):
        print(profile.account, profile.leading, profile.leading_probability)

An account is described by what its posts show, and by nothing else: see ``docs/profiles.md``.
"""

from imagist.profiles.images import read_images
from imagist.profiles.posts import Posts
from imagist.profiles.profile import Profile, profile
from imagist.profiles.reading import read_classified
from imagist.profiles.records import account_record, post_records
from imagist.profiles.searching import score_brief, similarities
from imagist.profiles.shares import Settings
from imagist.profiles.texts import with_texts

__all__ = [
    "Posts",
    "Profile",
    "Settings",
    "account_record",
    "post_records",
    "profile",
    "read_classified",
    "read_images",
    "score_brief",
    "similarities",
    "with_texts",
]
