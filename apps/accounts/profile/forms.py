"""What the pages of the profile send."""

from __future__ import annotations

from wtforms import HiddenField, PasswordField, StringField, ValidationError
from wtforms.validators import InputRequired, Length

from apps.accounts.users import fields
from apps.accounts.users.constants import LONGEST_PASSWORD
from shared_utils.forms import PageForm

_NEEDED = InputRequired("Write something here.")
_BOUNDED = Length(max=4 * LONGEST_PASSWORD, message="This is longer than any password.")


class _NewPassword(PageForm):
    """A new password, written twice, as it is not seen."""

    password = PasswordField(validators=[_NEEDED])
    again = PasswordField(validators=[_NEEDED])
    next = HiddenField()

    def whose(self) -> str:
        """Return the name of the user whose it will be."""
        raise NotImplementedError

    def validate_password(self, field: PasswordField) -> None:
        """Refuse what others would guess."""
        fault = fields.password_fault(fields.plain_password(field.data or ""), self.whose())
        if fault:
            raise ValidationError(fault)

    def validate_again(self, field: PasswordField) -> None:
        """Refuse what was mistyped."""
        if field.data != self.password.data:
            raise ValidationError("This is not what stands above: write the same.")


class SignUpForm(_NewPassword):
    """A name and a password."""

    name = StringField(validators=[_NEEDED])

    def whose(self) -> str:
        """Return the name that is asked for."""
        return fields.plain_name(self.name.data or "")

    def validate_name(self, field: StringField) -> None:
        """Refuse what is no name."""
        if fault := fields.name_fault(self.whose()):
            raise ValidationError(fault)


class PasswordForm(_NewPassword):
    """The current password, and a new one."""

    current = PasswordField(validators=[_NEEDED, _BOUNDED])

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name

    def whose(self) -> str:
        """Return the name of who is signed in."""
        return self._name

    def validate_password(self, field: PasswordField) -> None:
        """Refuse what others would guess, and the current one."""
        super().validate_password(field)
        if field.data == self.current.data:
            raise ValidationError("This is the current password: write another.")
